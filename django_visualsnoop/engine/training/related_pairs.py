"""Compare pairs of pictures whose relation is known. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.descriptors.describe import (
    build_probes,
    build_stored_probes,
    describe,
)
from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.descriptors.local_features import WORDS
from django_visualsnoop.engine.matching.compare import compare_all
from django_visualsnoop.engine.training.alter import (
    draw_light_edits,
    draw_variants,
    turn_some_grey,
)
from django_visualsnoop.engine.training.augment import edit
from django_visualsnoop.engine.training.fit import draw_pairs
from django_visualsnoop.engine.training.public_pictures import (
    COPY_OR_VARIANT,
    NONE,
    NOT_COPY,
    SETS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.descriptors.thumbnail import Thumbnail
    from django_visualsnoop.engine.images.decode import Pixels

#: Pictures compared with each: this many by their vectors, and by their words.
CANDIDATES = 8
#: Edited copies of all of a picture, per picture.
LIGHT_EDITS = 5
#: Copies after up to three stronger edits, per picture.
MILD_EDITS = 2
#: Source of the pairs that the first stage is fitted to.
DRAWN = "edits and decoys"
#: Side in pixels of the pictures that are compared pixel by pixel, and how many levels apart equal
#: ones are: on average, and 99 % of their places.
_EQUAL_SIDE, _MEAN_LEVELS, _MOST_LEVELS = 64, 2.5, 12.0
_TOGETHER = 512


class DescribedPicture(NamedTuple):
    """A picture of a public repository."""

    #: ``OWNER/NAME``.
    repository: str
    path: str
    #: The SHA-256 of the file, in hexadecimal digits.
    digest: str
    descriptor: Descriptor


class RelatedPair(NamedTuple):
    """Two pictures with a known relation."""

    #: What the relation is told by; see ``relation.collect_inputs``.
    inputs: NDArray[np.float32]
    #: One of ``search_options.RELATIONS``, or of ``public_pictures``.
    relation: str
    #: The repository, or what was done to the pictures.
    source: str
    #: Indices of the pictures; ``None`` for edited ones.
    places: tuple[int, int] | None = None


def list_candidates(descriptors: Sequence[Descriptor]) -> Iterator[tuple[int, list[int]]]:
    """Yield, for each picture, later ones with close vectors or the same words."""
    vectors = normalise(np.stack([one.vector for one in descriptors])).astype(np.float32)
    words = np.concatenate([np.unique(one.words) for one in descriptors])
    owners = np.repeat(
        np.arange(len(descriptors)), [len(np.unique(one.words)) for one in descriptors]
    )
    order = np.argsort(words, kind="stable")
    owners, starts = owners[order], np.searchsorted(words[order], np.arange(WORDS + 1))
    mirrored = normalise(np.stack([build_stored_probes(one).vectors[4] for one in descriptors]))
    for start in range(0, len(descriptors), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        cosines = np.maximum(vectors[some] @ vectors.T, mirrored[some] @ vectors.T)
        for row, cosine in enumerate(cosines):
            number = start + row
            own = np.unique(descriptors[number].words)
            lists = [owners[starts[word] : starts[word + 1]] for word in own.tolist()]
            votes = (
                np.bincount(np.concatenate(lists), minlength=len(descriptors)) if lists else cosine
            )
            near = {*np.argsort(-cosine)[: CANDIDATES + 1].tolist()}
            near |= {*np.argsort(-votes, kind="stable")[: CANDIDATES + 1].tolist()}
            yield number, sorted(near - {number})


def compare_described(
    pictures: Sequence[DescribedPicture], number: int, others: Sequence[int]
) -> Iterator[RelatedPair]:
    """Yield the pairs of a picture whose relation is known."""
    known = {
        other: relation
        for other in others
        if (relation := relate_pictures(pictures[number], pictures[other])) is not None
    }
    probes = build_stored_probes(pictures[number].descriptor)
    compared = compare_all(probes, [pictures[other].descriptor for other in known])
    for other, found in zip(known, compared, strict=True):
        if found.inputs is not None:
            source = pictures[number].repository
            yield RelatedPair(found.inputs, known[other], source, (number, other))


def relate_pictures(one: DescribedPicture, other: DescribedPicture) -> str | None:
    """Return the relation of two pictures; ``None`` if it is unknown."""
    if one.digest == other.digest:
        return COPY
    if one.repository == other.repository:
        told = SETS[one.repository].relate(one.path, other.path)
        if told is not None:
            return told
    return COPY if _are_equal(one.descriptor.thumbnail, other.descriptor.thumbnail) else None


def _are_equal(one: Thumbnail | None, other: Thumbnail | None) -> bool:
    if one is None or other is None or one.pixels is None or other.pixels is None:
        return False
    size = _EQUAL_SIDE, _EQUAL_SIDE
    first, second = (
        cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        for pixels in (one.pixels, other.pixels)
    )
    apart = np.abs(first - second).max(axis=2)
    return bool(apart.mean() <= _MEAN_LEVELS and np.percentile(apart, 99) <= _MOST_LEVELS)


def compare_edited(pictures: Sequence[Pixels], dice: Generator) -> Iterator[RelatedPair]:
    """Yield pictures with edits of them, and with look-alikes.

    Args:
        pictures: at least three, of different things.
        dice: chooses the edits.
    """
    for number, pixels in enumerate(pictures):
        whole = turn_some_grey(pixels, dice)
        other = pictures[number - 1]
        stored = describe(whole)
        for edited in draw_light_edits(whole, dice, LIGHT_EDITS):
            yield from _compare_both_ways(edited, stored, COPY, "light edits")
        for _ in range(MILD_EDITS):
            yield from _compare_both_ways(edit(whole, dice), stored, COPY, "mild edits")
        for edited in draw_variants(whole, other, dice):
            yield from _compare_both_ways(edited, stored, NOT_COPY, "replaced parts")


def compare_drawn(pictures: Sequence[Pixels], dice: Generator) -> Iterator[RelatedPair]:
    """Yield the pairs that the first stage is fitted to; see ``fit.draw_pairs``.

    After heavy edits, copies agree as little as other shots do. Searches should find them;
    whether they are called copies does not matter.
    """
    for drawn in draw_pairs(pictures, dice):
        if drawn.comparison.inputs is not None:
            relation = COPY_OR_VARIANT if drawn.truth else NONE
            yield RelatedPair(drawn.comparison.inputs, relation, DRAWN)


def _compare_both_ways(
    edited: Pixels, stored: Descriptor, relation: str, source: str
) -> Iterator[RelatedPair]:
    """Yield the pair as a search with a file compares it, and as a search by id does."""
    for probes in (build_probes(edited), build_stored_probes(describe(edited))):
        (found,) = compare_all(probes, [stored])
        if found.inputs is not None:
            yield RelatedPair(found.inputs, relation, source)
