"""Whether the local features of two pictures agree on one placement. Imports no Django.

Matches are the nearest codes of each other, clearly nearer than the second.
Every match proposes a similarity transform, by its two places, scales and
directions; the one that most matches support is then fitted to them as an
affine map, which also allows for a changed aspect (compare the Hough voting
and the affine fit of D. Lowe, Distinctive image features from scale-invariant
keypoints, IJCV 2004).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import MAX_FEATURES
from django_visualsnoop.engine.matching.nearest import match_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.nearest import Matches

    Floats = NDArray[np.floating]

#: A match supports a transform if its place is missed by at most this, in pixels at ``SIDE``
#: of the larger of the two views …
_TOLERANCE = 6.7
#: … its scale by at most this factor, and its direction by so many 256ths of a turn.
_SCALE_FACTOR = 1.7
_TURN = 24
#: A direction is that of a side if it differs by at most so many 256ths of a turn.
_AXIAL = 5
#: Features this close, in pixels at ``SIDE``, are at one place.
_PLACE = 5
#: An affine fit needs three matches; with fewer supporters than this it would fit to noise.
_FITTED_FROM = 4
#: A map that shrinks one direction this many times as much as the other fits noise: what people
#: squeeze, or see from the side, they still want to recognise.
_SQUEEZED = 2.5
#: Pictures are done together whose matches are up to so many.
_SIZES = (8, 24, 64)
#: Any two features agree on some transform, so fewer than this tell nothing.
TELLING_FROM = 3


class Alignment(NamedTuple):
    """How two pictures agree.

    ``matrix`` and ``shift`` take a place of the query to one of the stored
    picture, both in pixels at ``SIDE``: ``matrix @ place + shift``.
    """

    #: Features that agree on the transform; those at one place count once, since an edge that
    #: is seen in several directions or scales proves no more than one that is seen once.
    inliers: int
    #: Features that have a match at all.
    matches: int
    #: Mean Hamming distance of the inliers; 64 if there are none.
    distance: float
    #: 0 to 1: of the features that agree, those that point along a side of the picture, as those
    #: of words and lines do; in the picture where more do.
    axial: float
    #: The standard deviation of the inliers' places along the shorter axis of their cloud, in
    #: pixels at ``SIDE``, in the picture where it is larger.
    spread: float
    matrix: NDArray[np.floating]
    shift: NDArray[np.floating]
    #: The numbers of the features that agree, all of them: in the query, and in the stored picture.
    left: NDArray[np.intp]
    right: NDArray[np.intp]

    @property
    def mirrored(self) -> bool:
        return _compute_determinant(self.matrix) < 0

    @property
    def turn(self) -> float:
        """Degrees by which the query is turned, counted as from x to y."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))

    @property
    def scale(self) -> float:
        """How much larger things are in the stored picture."""
        return math.sqrt(abs(_compute_determinant(self.matrix)))


_NONE = np.empty(0, dtype=np.intp)
NO_ALIGNMENT = Alignment(
    0, 0, 64.0, 0.0, 0.0, np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32), _NONE, _NONE
)


def verify(query: Descriptor, stored: Descriptor) -> Alignment:
    """Return how far two pictures agree on one placement of their features."""
    return verify_all(query, [stored])[0]


def verify_all(query: Descriptor, stored: Sequence[Descriptor]) -> list[Alignment]:
    """Return how far a picture agrees with each of others on one placement of their features."""
    found = [
        _PlacedMatches(
            query.places[one.left].astype(np.float32),
            other.places[one.right].astype(np.float32),
            one,
        )
        for one, other in zip(
            match_codes(query.codes, [one.codes for one in stored]), stored, strict=True
        )
    ]
    supported = _find_supported([(one.start, one.end) for one in found])
    return [_align(one, proposed) for one, proposed in zip(found, supported, strict=True)]


class _PlacedMatches(NamedTuple):
    """Matches, and where they are: k x 4 both."""

    start: Floats
    end: Floats
    matches: Matches


class _ProposedTransform(NamedTuple):
    """The transform that most matches support."""

    #: The match that proposes it.
    number: int
    matrix: Floats
    #: k; which support it.
    inside: NDArray[np.bool_]


def _align(placed: _PlacedMatches, proposed: _ProposedTransform | None) -> Alignment:
    """Return the match, its transform fitted to those that support it."""
    count = len(placed.start)
    if proposed is None:
        return NO_ALIGNMENT._replace(matches=count)
    best, matrix, inside = proposed
    start, end = placed.start[:, :2], placed.end[:, :2]
    shift = end[best] - matrix @ start[best]
    scale = max(1.0, math.sqrt(abs(_compute_determinant(matrix))))
    for _ in range(2):
        if inside.sum() < _FITTED_FROM:
            break
        fitted = _fit_affine(start[inside], end[inside])
        if fitted is None:
            break
        missed = start @ fitted[0].T + fitted[1] - end
        within = np.hypot(missed[:, 0], missed[:, 1]) <= 0.75 * _TOLERANCE * scale
        if within.sum() < inside.sum():
            break
        matrix, shift = fitted
        inside = within
    axial = max(_measure_axial(placed.start[inside, 3]), _measure_axial(placed.end[inside, 3]))
    start, end = start[inside], end[inside]
    return Alignment(
        min(_count_places(start), _count_places(end)),
        count,
        float(placed.matches.distances[inside].mean()),
        axial,
        max(_measure_spread(start), _measure_spread(end)),
        matrix,
        shift,
        placed.matches.left[inside],
        placed.matches.right[inside],
    )


def _find_supported(pairs: Sequence[tuple[Floats, Floats]]) -> list[_ProposedTransform | None]:
    """Return, for each two pictures' matches, the transform that most support.

    Args:
        pairs: the places of matches in the one and in the other, k x 4 both. Of too few,
            there is none.
    """
    found: list[_ProposedTransform | None] = [None] * len(pairs)
    sizes = np.array([len(start) for start, _ in pairs], dtype=np.intp)
    # Pictures that are not copies have few matches. They are padded to one length, with places
    # that support nothing, and computed together.
    for least, most in pairwise((1, *_SIZES, MAX_FEATURES)):
        some = np.flatnonzero((sizes > least) & (sizes <= most)).tolist()
        if not some:
            continue
        size = int(sizes[some].max())
        start, end = np.full((2, len(some), size, 4), np.nan, dtype=np.float32)
        for row, number in enumerate(some):
            start[row, : sizes[number]], end[row, : sizes[number]] = pairs[number]
        matrices, supports = _count_supporters(start, end)
        agreeing = supports.sum(axis=2)
        best = agreeing.argmax(axis=1).tolist()
        for row, number in enumerate(some):
            place = best[row]
            if agreeing[row, place] < TELLING_FROM:
                continue
            inside = supports[row, place, : sizes[number]]
            found[number] = _ProposedTransform(place, matrices[row, place], inside)
    return found


def _count_supporters(start: Floats, end: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what each match proposes for its pictures, and which of their matches support it.

    Args:
        start, end: pictures x k x 4: the places of the matches.

    Returns:
        Pictures x k x 2 x 2, and pictures x k x k.
    """
    turns = end[..., 3] - start[..., 3]
    angles = turns * np.float32(2 * math.pi / 256)
    octaves = (end[..., 2] - start[..., 2]) / 16
    scales = 2**octaves
    cosines, sines = np.cos(angles) * scales, np.sin(angles) * scales
    # By every transform i, the vector from i's place to j's should become that of the others.
    x, y = (start[..., None, :, axis] - start[..., :, None, axis] for axis in (0, 1))
    missed_x, missed_y = (end[..., None, :, axis] - end[..., :, None, axis] for axis in (0, 1))
    missed_x -= cosines[..., None] * x - sines[..., None] * y
    missed_y -= sines[..., None] * x + cosines[..., None] * y
    tolerance = _TOLERANCE * np.maximum(1, scales)[..., None]
    supports = missed_x**2 + missed_y**2 <= tolerance**2
    supports &= np.abs(octaves[..., None] - octaves[..., None, :]) <= math.log2(_SCALE_FACTOR)
    apart = np.abs((turns[..., None] - turns[..., None, :] + 128) % 256 - 128)
    supports &= apart <= _TURN
    matrices = np.stack([cosines, -sines, sines, cosines], axis=-1)
    return matrices.reshape(*matrices.shape[:-1], 2, 2), supports


def _fit_affine(start: Floats, end: Floats) -> tuple[Floats, Floats] | None:
    """Return the affine map that takes ``start`` to ``end`` with the least squares.

    None if the places do not determine it, or if it is not a view of a picture: too narrow, or
    mirrored.
    """
    centre, target = start.mean(axis=0), end.mean(axis=0)
    away, wanted = start - centre, end - target
    scatter = away.T @ away
    # Places on a line, or all at one, fix no map of the plane.
    if _compute_determinant(scatter) <= 1e-3 * max(1.0, float(np.trace(scatter))) ** 2:
        return None
    matrix = np.linalg.solve(scatter, away.T @ wanted).T
    # Of singular values a and b: (a² + b²) / ab.
    if _compute_determinant(matrix) * (_SQUEEZED + 1 / _SQUEEZED) < float((matrix**2).sum()):
        return None
    return matrix, target - matrix @ centre


def _count_places(places: Floats) -> int:
    """Return how many places differ, on a grid of ``_PLACE`` pixels."""
    return len({(x // _PLACE, y // _PLACE) for x, y in places.tolist()})


def _measure_axial(directions: Floats) -> float:
    """Return the share of directions, in 256ths of a turn, that are about those of the sides."""
    return float((np.abs((directions + 32) % 64 - 32) <= _AXIAL).mean())


def _measure_spread(places: Floats) -> float:
    if len(places) < 2:
        return 0.0
    away = places - places.mean(axis=0)
    (a, b), (_, d) = (away.T @ away / len(places)).tolist()
    smaller = (a + d) / 2 - math.hypot((a - d) / 2, b)  # of the two eigenvalues
    return math.sqrt(max(0.0, smaller))


def _compute_determinant(matrix: Floats) -> float:
    (a, b), (c, d) = matrix.tolist()
    return float(a * d - b * c)
