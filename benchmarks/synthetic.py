"""Descriptors made up from a seed, to measure an index with, and copies of some of them.

Vectors: one centre per 50 images, at a cosine of about 0.4 with its images.
Words: drawn with log-normal weights (sigma 1.76) over 2**20, so that the postings read for
a feature of 100,000 images are on average the 273 that were measured on real ones with as
many words. Codes: one base per word, of which each feature has every fourth bit drawn anew twice
(a quarter of its bits flipped); so a stored feature of the same word is close by chance for
about 1 in 200.

Places: drawn evenly.

A near-copy has a vector at a given cosine, and keeps some of its features: each with 6 of
its 64 bits flipped, 80 % of them in their word, the others in one of the ``near`` words if
there are such; at half the size and moved. Its other features are those of no stored picture.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import (
    DIMENSIONS,
    MAX_FEATURES,
    SIDE,
    START_BYTES,
    VERSION,
    Descriptor,
)
from django_visualsnoop.engine.index.base import Features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CHUNK = 8192
WORDS = 1 << 20
_SIGMA = 1.76
_TABLE = 1 << 24


class Chunk(NamedTuple):
    """n images with ``MAX_FEATURES`` features each."""

    vectors: NDArray[np.int8]
    codes: NDArray[np.uint64]
    words: NDArray[np.uint32]
    #: See ``Descriptor``.
    places: NDArray[np.uint8]

    def contents(self) -> Iterator[bytes]:
        count = len(self.vectors)
        rows = np.zeros((count, START_BYTES + 15 * MAX_FEATURES), dtype=np.uint8)
        rows[:, :DIMENSIONS] = self.vectors.view(np.uint8)
        rows[:, DIMENSIONS], rows[:, DIMENSIONS + 1] = VERSION, MAX_FEATURES
        end = START_BYTES + 8 * MAX_FEATURES
        rows[:, START_BYTES:end] = self.codes.astype("<u8").view(np.uint8)
        words = self.words.astype("<u4").view(np.uint8).reshape(count, MAX_FEATURES, 4)[:, :, :3]
        rows[:, end : end + 3 * MAX_FEATURES] = words.reshape(count, -1)
        rows[:, end + 3 * MAX_FEATURES :] = self.places.reshape(count, -1)
        for row in rows:
            yield row.tobytes()


@cache
def _word_table(seed: int) -> NDArray[np.uint32]:
    weights = np.random.default_rng(seed).lognormal(0, _SIGMA, WORDS)
    counts = np.random.default_rng(seed + 1).multinomial(_TABLE, weights / weights.sum())
    return np.repeat(np.arange(WORDS, dtype=np.uint32), counts)


def _words(dice: np.random.Generator, shape: tuple[int, ...], seed: int) -> NDArray[np.uint32]:
    return _word_table(seed)[dice.integers(0, _TABLE, shape)]


def _codes(dice: np.random.Generator, words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return codes around the base of each word, which is the word multiplied and mixed."""
    base = (words.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    base ^= base >> np.uint64(29)
    base *= np.uint64(0xBF58476D1CE4E5B9)
    base ^= base >> np.uint64(32)
    flips = dice.integers(0, 2**64, (2, *words.shape), dtype=np.uint64)
    return base ^ (flips[0] & flips[1])


def chunk(number: int, count: int, seed: int) -> Chunk:
    """Return chunk ``number`` of the images: the same for the same seed."""
    dice = np.random.default_rng((seed, number))
    centres = dice.normal(0, 1, (max(1, count // 50), DIMENSIONS)).astype(np.float32)
    vectors = dice.normal(0, 1, (count, DIMENSIONS)).astype(np.float32)
    vectors += 0.82 * centres[dice.integers(0, len(centres), count)]
    words = _words(dice, (count, MAX_FEATURES), seed)
    codes = _codes(dice, words)
    return Chunk(_int8(vectors), codes, words, _places(dice, count))


def _places(dice: np.random.Generator, *shape: int) -> NDArray[np.uint8]:
    lowest, highest = (0, 0, 16, 0), (SIDE, SIDE * 3 // 4, 80, 256)
    return dice.integers(lowest, highest, (*shape, MAX_FEATURES, 4), dtype=np.uint8)


def chunks(images: int, seed: int) -> Iterator[tuple[int, Chunk]]:
    """Yield the number of the first image and the images of each chunk."""
    for start in range(0, images, CHUNK):
        yield start, chunk(start // CHUNK, min(CHUNK, images - start), seed)


def _int8(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.clip(np.rint(vectors / lengths * 500), -127, 127).astype(np.int8)


def turns(vector: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return eight vectors that differ in the signs of all but 64 dimensions, as turning does."""
    dice = np.random.default_rng(8)
    signs = dice.choice(np.array([-1, 1], dtype=np.int8), (8, DIMENSIONS))
    signs[0] = 1
    signs[:, :64] = 1
    return vector * signs


class Copy(NamedTuple):
    """A picture to look for."""

    vector: NDArray[np.int8]
    features: Features
    places: NDArray[np.uint8]

    def descriptor(self) -> Descriptor:
        return Descriptor(self.vector, self.features.codes, self.features.words[:, 0], self.places)


def copy_of(
    stored: Chunk,
    place: int,
    dice: np.random.Generator,
    *,
    cosine: float,
    kept: int,
    near: int,
    seed: int,
) -> Copy:
    """Return a near-copy; every feature has its own word and ``near`` others."""
    vector = stored.vectors[place].astype(np.float32)
    vector /= np.linalg.norm(vector)
    noise = dice.normal(0, 1, DIMENSIONS).astype(np.float32)
    noise -= vector * (noise @ vector)
    noise *= np.sqrt(1 / cosine**2 - 1) / np.linalg.norm(noise)
    words = _words(dice, (MAX_FEATURES, 1 + near), seed)
    codes = _codes(dice, words[:, 0])
    which = dice.permutation(MAX_FEATURES)[:kept]
    places = _places(dice)
    places[which] = stored.places[place, which]
    places[which, :2] = places[which, :2] // 2 + 30
    places[which, 2] -= 16  # an octave
    for feature in which:
        bits = dice.permutation(64)[:6].astype(np.uint64)
        codes[feature] = stored.codes[place, feature] ^ np.bitwise_or.reduce(np.uint64(1) << bits)
        column = 0 if dice.random() < 0.8 else 1
        if column <= near:
            words[feature, column] = stored.words[place, feature]
    return Copy(_int8(vector + noise), Features(codes, words), places)
