"""Pixels to a descriptor. Imports no Django.

The global vector joins a learned projection of the picture's global features (linear
discriminant analysis: what edits change counts little, what tells photographs
apart counts much) with a code of its mean colour. The less detail there is,
the more the colour counts. Pictures with nothing in them that tells them apart
are known by their files; see ``featureless``.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import (
    DIMENSIONS,
    VERSION,
    Descriptor,
    quantise,
)
from django_visualsnoop.engine.descriptors.featureless import is_featureless
from django_visualsnoop.engine.descriptors.global_features import (
    compute_global_features,
    limit_length,
)
from django_visualsnoop.engine.descriptors.local_features import (
    WORDS,
    compute_local_features,
    compute_query_features,
    mirror_features,
    mirror_words,
)
from django_visualsnoop.engine.descriptors.matmul import matmul_row
from django_visualsnoop.engine.descriptors.weights import load_dihedral_action, load_learned
from django_visualsnoop.engine.images.content_boxes import crop_content_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.local_features import LocalFeatures
    from django_visualsnoop.engine.images.decode import Pixels

    #: One picture: ``DIMENSIONS`` signed bytes; the length of the vector has no meaning.
    Vector: TypeAlias = NDArray[np.int8]
    Floats: TypeAlias = NDArray[np.float32]

__all__ = [
    "DIMENSIONS",
    "VERSION",
    "Descriptor",
    "Probes",
    "apply_dihedral_action",
    "build_probes",
    "describe",
]

_COLOUR_CODE = 32
#: How many values of the vector are the learned ones.
LEARNED = DIMENSIONS - _COLOUR_CODE
#: Mean colours this far apart are different colours (lightness is 0 to 100).
_COLOUR_WIDTH = 4.0
#: In how many ways a picture is turned and mirrored.
_TURNS = 8


class Probes(NamedTuple):
    """What to look for to find the copies of a picture.

    Args:
        vectors: global vectors of the picture and, of those inside (see
            ``content_boxes``), each turned and mirrored; n x ``DIMENSIONS``.
        pictures: the descriptors of the same pictures, each followed by its mirror image. One
            that is known by its file is followed by itself.
        near_words: of each of ``pictures``, the nearest words of each feature; features x 4.
    """

    vectors: NDArray[np.int8]
    pictures: list[Descriptor]
    near_words: list[NDArray[np.uint32]]

    @property
    def compared_vectors(self) -> NDArray[np.int8]:
        """Those of ``vectors`` that are evidence of a copy: not the whole picture's if it is
        known by its file, which only says where to look for that file."""
        return self.vectors[_TURNS:] if self.pictures[0].by_file else self.vectors


def describe(pixels: Pixels, digest: bytes | None = None) -> Descriptor:
    """Return the descriptor of a picture.

    Args:
        pixels: height x width x 3, RGB, uint8.
        digest: the SHA-256 of its file, which identifies a picture without distinct details; if
            ``None``, the SHA-256 of the pixels.
    """
    found = compute_local_features(pixels)
    if is_featureless(pixels, len(found.codes)):
        return _describe_by_file(pixels, digest)
    return Descriptor(compute_vector(pixels), found.codes, found.words, found.places)


def _describe_by_file(pixels: Pixels, digest: bytes | None) -> Descriptor:
    """Return the descriptor of a picture that shows nothing; see ``describe``."""
    if digest is None:
        digest = sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
    codes = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    # So a search looks for the file as it does for features: by a word, and then by the code.
    words = (codes % np.uint64(WORDS)).astype(np.uint32)
    places = np.zeros((len(codes), 4), dtype=np.uint8)
    return Descriptor(compute_vector(pixels), codes, words, places, by_file=True)


def build_probes(pixels: Pixels, digest: bytes | None = None) -> Probes:
    """Return what to look for to find the copies of a picture; see ``describe``."""
    features, negative = compute_query_features(pixels)
    inner = _build_content_probes(pixels)
    if is_featureless(pixels, len(features.codes)):
        return _join_probes([build_stored_probes(_describe_by_file(pixels, digest)), *inner])
    whole = _build_picture_probes(compute_vector(pixels), features)
    # Of the negative its features are enough: its vector would cost each search as much again.
    last = _build_picture_probes(whole.pictures[0].vector, negative)._replace(
        vectors=whole.vectors[:0]
    )
    return _join_probes([whole, *inner, last])


def _build_content_probes(pixels: Pixels) -> list[Probes]:
    """Return what to look for to find the copies of what is inside a picture."""
    found = []
    for one in crop_content_boxes(pixels):
        features = compute_query_features(one)[0]
        if not is_featureless(one, len(features.codes)):
            found.append(_build_picture_probes(compute_vector(one), features))
    return found


def _join_probes(found: list[Probes]) -> Probes:
    return Probes(
        np.concatenate([one.vectors for one in found]),
        [picture for one in found for picture in one.pictures],
        [words for one in found for words in one.near_words],
    )


def _build_picture_probes(vector: Vector, found: LocalFeatures) -> Probes:
    upright = Descriptor(vector, found.codes, found.words, found.places)
    return _add_mirror_image(upright, found.near_words)


def build_stored_probes(stored: Descriptor) -> Probes:
    """Return the probes for copies of a stored picture, from its descriptor alone."""
    if stored.by_file:
        return Probes(
            apply_dihedral_action(stored.vector), [stored, stored], [stored.words[:, None]] * 2
        )
    return _add_mirror_image(stored, stored.words[:, None])


def _add_mirror_image(upright: Descriptor, near_words: NDArray[np.uint32]) -> Probes:
    vectors = apply_dihedral_action(upright.vector)
    mirror = Descriptor(vectors[4], *mirror_features(upright.codes, upright.words, upright.places))
    return Probes(vectors, [upright, mirror], [near_words, mirror_words(near_words)])


def compute_vector(pixels: Pixels) -> Vector:
    """Return the global vector of a picture; see ``describe``."""
    model = load_learned()
    seen, detail, mean = compute_global_features(pixels)
    values = matmul_row(seen - model.mean, model.projection)
    values *= np.sqrt(np.float32(detail)) / max(float(np.linalg.norm(values)), 1e-6)
    code = np.sqrt(np.float32(1 - detail)) * _encode_colour(mean)
    vector = np.concatenate([values, code])
    return quantise(vector)


def measure_detail(vector: Vector) -> float:
    """Return how much of a vector says what the picture shows, 0 to 1; the rest says its colour."""
    values = vector.astype(np.int64)
    told, whole = int(values[:LEARNED] @ values[:LEARNED]), int(values @ values)
    return told / max(1, whole)


def apply_dihedral_action(vectors: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the vectors of the picture as it is, turned and mirrored: … x 8 x ``DIMENSIONS``.

    Turned by none to three quarters, counterclockwise; then mirrored, left to right, and so on.
    """
    rows, signs = load_dihedral_action()
    return vectors[..., rows] * signs


@cache
def invariant_first() -> NDArray[np.intp]:
    """Return the order of the vector's values in which those that no turn changes come first."""
    rows, signs = load_dihedral_action()
    steady = ((rows == rows[0]) & (signs == 1)).all(axis=0)
    return np.argsort(~steady, kind="stable")


def _encode_colour(mean: Floats) -> Floats:
    """Return a unit vector; those of two colours agree as a Gaussian of their distance."""
    angles = _draw_waves() @ (mean / np.float32(_COLOUR_WIDTH))
    code: Floats = np.concatenate([np.cos(angles), np.sin(angles)])
    return limit_length(code, 0.0)


@cache
def _draw_waves() -> Floats:
    dice = np.random.default_rng(20260101)
    return dice.standard_normal((_COLOUR_CODE // 2, 3)).astype(np.float32)
