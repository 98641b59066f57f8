"""Convert pixels to a descriptor. Imports no Django.

The global vector joins a learned projection of the picture's global features with a code of
its mean colour. The projection is a linear discriminant analysis: values that edits change
count little, values that tell photographs apart count much. The less detail a picture has,
the more its colour counts. Featureless pictures are identified by their files; see
``featureless``.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import (
    DESCRIPTION_VERSION,
    DIMENSIONS,
    VERSION,
    Descriptor,
    quantise,
)
from django_visualsnoop.engine.descriptors.dihedral import TURNS
from django_visualsnoop.engine.descriptors.featureless import is_featureless
from django_visualsnoop.engine.descriptors.global_features import (
    compute_global_features,
    limit_length,
)
from django_visualsnoop.engine.descriptors.local_features import (
    NO_FEATURES,
    WORDS,
    compute_local_features,
    compute_query_features,
    mirror_features,
    mirror_words,
)
from django_visualsnoop.engine.descriptors.matmul import matmul_row
from django_visualsnoop.engine.descriptors.thumbnail import Thumbnail
from django_visualsnoop.engine.descriptors.weights import load_dihedral_action, load_learned
from django_visualsnoop.engine.images.content_boxes import crop, find_content_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.local_features import LocalFeatures
    from django_visualsnoop.engine.images.capture import Capture
    from django_visualsnoop.engine.images.content_boxes import Box
    from django_visualsnoop.engine.images.decode import Pixels

    #: One picture: ``DIMENSIONS`` signed bytes; the length of the vector has no meaning.
    Vector: TypeAlias = NDArray[np.int8]
    Floats: TypeAlias = NDArray[np.float32]

__all__ = [
    "DESCRIPTION_VERSION",
    "DIMENSIONS",
    "VERSION",
    "Descriptor",
    "Probes",
    "apply_dihedral_action",
    "build_probes",
    "describe",
]

_COLOUR_CODE = 32
#: Number of learned values in the vector.
LEARNED = DIMENSIONS - _COLOUR_CODE
#: A search asks once for the features of two parts of a picture with at least this in common, as a
#: share of what they cover.
_NEARLY_ALL = 0.9
#: Mean colours this far apart are different colours (lightness is 0 to 100).
_COLOUR_WIDTH = 4.0


class Probes(NamedTuple):
    """The input of a search for the copies of a picture.

    Args:
        vectors: global vectors of the picture and of those inside it (see
            ``content_boxes``), each turned and mirrored; n x ``DIMENSIONS``.
        pictures: the descriptors of the same pictures, each followed by its mirror image, which
            has the thumbnail of the picture itself. A picture identified by its file is
            followed by itself. One that is nearly the same part as another has no features.
        near_words: for each of ``pictures``, the nearest words of each feature; features x 4.
    """

    vectors: NDArray[np.int8]
    pictures: list[Descriptor]
    near_words: list[NDArray[np.uint32]]

    @property
    def compared_vectors(self) -> NDArray[np.int8]:
        """The ``vectors`` that are evidence of a copy. They exclude the whole picture's if it is
        identified by its file: that vector only says where to search for the file."""
        return self.vectors[len(TURNS) :] if self.pictures[0].by_file else self.vectors


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
    return Descriptor(
        compute_vector(pixels), found.codes, found.words, found.places, thumbnail=Thumbnail(pixels)
    )


def _describe_by_file(pixels: Pixels, digest: bytes | None) -> Descriptor:
    """Return the descriptor of a featureless picture; see ``describe``."""
    if digest is None:
        digest = sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
    codes = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    # So a search finds the file as it finds features: by a word, and then by the code.
    words = (codes % np.uint64(WORDS)).astype(np.uint32)
    places = np.zeros((len(codes), 4), dtype=np.uint8)
    return Descriptor(compute_vector(pixels), codes, words, places, by_file=True)


def build_probes(
    pixels: Pixels, digest: bytes | None = None, capture: Capture | None = None
) -> Probes:
    """Return the probes for copies of a picture; see ``describe``.

    Args:
        pixels, digest: see ``describe``.
        capture: when a camera took it, if known.
    """
    features, negative = compute_query_features(pixels)
    height, width = pixels.shape[:2]
    whole_box = 0, height, 0, width
    if is_featureless(pixels, len(features.codes)):
        inner = _build_content_probes(pixels, {})
        return _join_probes([build_stored_probes(_describe_by_file(pixels, digest)), *inner])
    inner = _build_content_probes(pixels, {whole_box: len(features.codes)})
    small = Thumbnail(pixels)
    whole = _build_picture_probes(small, compute_vector(pixels), features, capture)
    # The features of the negative suffice: its vector would cost each search as much again.
    last = _build_picture_probes(small, whole.pictures[0].vector, negative, capture)._replace(
        vectors=whole.vectors[:0]
    )
    return _join_probes([whole, *inner, last])


def _build_content_probes(pixels: Pixels, known: dict[Box, int]) -> list[Probes]:
    """Return the probes for copies of the pictures inside a picture.

    Args:
        pixels: the picture.
        known: the boxes whose features the search has, with their numbers. This adds others.
    """
    found = []
    for box in find_content_boxes(pixels):
        one, features = crop(pixels, box), NO_FEATURES
        # Nearly the same box has nearly the same features: only its vector adds something.
        count = next((known[other] for other in known if _nearly_agree(box, other)), None)
        if count is None:
            features = compute_query_features(one)[0]
            count = known[box] = len(features.codes)
        if not is_featureless(one, count):
            found.append(_build_picture_probes(Thumbnail(one), compute_vector(one), features))
    return found


def _nearly_agree(one: Box, other: Box) -> bool:
    """Return whether two boxes have nearly all of their area in common."""
    height = min(one[1], other[1]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[2], other[2])
    common = max(0, height) * max(0, width)
    areas = [(bottom - top) * (right - left) for top, bottom, left, right in (one, other)]
    return common >= _NEARLY_ALL * (sum(areas) - common)


def _join_probes(found: list[Probes]) -> Probes:
    return Probes(
        np.concatenate([one.vectors for one in found]),
        [picture for one in found for picture in one.pictures],
        [words for one in found for words in one.near_words],
    )


def _build_picture_probes(
    thumbnail: Thumbnail, vector: Vector, found: LocalFeatures, capture: Capture | None = None
) -> Probes:
    upright = Descriptor(
        vector, found.codes, found.words, found.places, thumbnail=thumbnail, capture=capture
    )
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
    mirror = Descriptor(
        vectors[4],
        *mirror_features(upright.codes, upright.words, upright.places),
        thumbnail=upright.thumbnail,
        capture=upright.capture,
    )
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


def measure_detail(vectors: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the share of each vector, 0 to 1, that shows the content; the rest shows the colour.

    Args:
        vectors: … x ``DIMENSIONS``.
    """
    squares = np.square(vectors, dtype=np.int64)
    shares: NDArray[np.float64] = squares[..., :LEARNED].sum(axis=-1) / np.maximum(
        1, squares.sum(axis=-1)
    )
    return shares


def apply_dihedral_action(vectors: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the vectors of the picture turned and mirrored: … x 8 x ``DIMENSIONS``.

    The order is: turned by none to three quarters, counterclockwise; then mirrored left to
    right, and turned so.
    """
    rows, signs = load_dihedral_action()
    return vectors[..., rows] * signs


@cache
def invariant_first() -> NDArray[np.intp]:
    """Return an order of the vector's values with those first that no turn changes."""
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
