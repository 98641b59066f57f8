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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptor import Descriptor

    Floats = NDArray[np.floating]

#: The largest Hamming distance of two codes of one feature, of 64 bits.
_FARTHEST = 18
#: The nearest code is at most so far as this share of the second nearest.
_RATIO = 0.85
#: A match supports a transform if its place is missed by at most this, in pixels at ``SIDE``
#: of the larger of the two views …
_TOLERANCE = 8.0
#: … its scale by at most this factor, and its direction by so many 256ths of a turn.
_SCALE_FACTOR = 1.7
_TURN = 24
#: Features this close, in pixels at ``SIDE``, are at one place.
_PLACE = 6
#: An affine fit needs three matches; with fewer supporters than this it would fit to noise.
_FITTED_FROM = 4
#: Any two features agree on some transform, so fewer than this tell nothing.
_TELLING_FROM = 3
#: A feature is near one that agrees within this share of the sides of what overlaps …
_NEAR = 1 / 8
#: … or within so many pixels at ``SIDE``.
_NEAREST = 6.0


class Match(NamedTuple):
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
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def turn(self) -> float:
        """Degrees by which the query is turned, counted as from x to y."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))

    @property
    def scale(self) -> float:
        """How much larger things are in the stored picture."""
        return float(math.sqrt(abs(np.linalg.det(self.matrix))))


_NONE = np.empty(0, dtype=np.intp)
NO_MATCH = Match(
    0, 0, 64.0, 0.0, np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32), _NONE, _NONE
)


class Overlap(NamedTuple):
    """How far two pictures agree where, by their transform, they show the same.

    What is pasted, cut or framed lies outside of that. Where two pictures share only a page, a
    frame or a watermark, there is more within it that is in but one of them.
    """

    #: 0 to 1: of the features there, of the picture that has fewer, those that agree.
    share: float
    #: 0 to 1: of the stored picture's features there, those near to one that agrees.
    stored: float
    #: 0 to 1: likewise of the query's.
    query: float


NO_OVERLAP = Overlap(0.0, 0.0, 0.0)


def verify(query: Descriptor, stored: Descriptor) -> Match:
    """Return how far two pictures agree on one placement of their features."""
    left, right, distances = matched(query.codes, stored.codes)
    if left.size < 2:
        return NO_MATCH._replace(matches=int(left.size))
    from_places = query.places[left].astype(np.float32)
    to_places = stored.places[right].astype(np.float32)
    matrices, supports = _supporters(from_places, to_places)
    agreeing = supports.sum(axis=1)
    best = int(agreeing.argmax())
    if agreeing[best] < _TELLING_FROM:
        return NO_MATCH._replace(matches=int(left.size))
    inside = supports[best]
    matrix = matrices[best]
    start, end = from_places[:, :2], to_places[:, :2]
    shift = end[best] - matrix @ start[best]
    scale = max(1.0, math.sqrt(abs(float(np.linalg.det(matrix)))))
    for _ in range(2):
        if inside.sum() < _FITTED_FROM:
            break
        fitted = _affine(start[inside], end[inside])
        if fitted is None:
            break
        missed = start @ fitted[0].T + fitted[1] - end
        within = np.hypot(missed[:, 0], missed[:, 1]) <= 0.75 * _TOLERANCE * scale
        if within.sum() < inside.sum():
            break
        matrix, shift = fitted
        inside = within
    return Match(
        min(_places(start[inside]), _places(end[inside])),
        int(left.size),
        float(distances[inside].mean()),
        max(_spread(start[inside]), _spread(end[inside])),
        matrix,
        shift,
        left[inside],
        right[inside],
    )


def overlap(query: Descriptor, stored: Descriptor, match: Match) -> Overlap:
    """Return how far two pictures agree where they overlap; see ``verify``."""
    if match.inliers < _TELLING_FROM or abs(np.linalg.det(match.matrix)) < 1e-3:
        return NO_OVERLAP
    start, end = (one.places[:, :2].astype(np.float32) for one in (query, stored))
    moved = start @ match.matrix.T + match.shift
    back = (end - match.shift) @ np.linalg.inv(match.matrix).T
    from_query, from_stored = start[_within(moved, end)], end[_within(back, start)]
    fewer = max(1, min(len(from_query), len(from_stored)))
    return Overlap(
        min(1.0, len(match.left) / fewer),
        _covered(from_stored, end[match.right]),
        _covered(from_query, start[match.left]),
    )


def _within(places: Floats, others: Floats) -> NDArray[np.bool_]:
    """Return which places lie in the rectangle that holds the others."""
    inside: NDArray[np.bool_] = (
        (places >= others.min(axis=0) - 1) & (places <= others.max(axis=0) + 1)
    ).all(axis=1)
    return inside


def _covered(places: Floats, agreeing: Floats) -> float:
    """Return the share of the places near to one that agrees: an eighth of the region's sides."""
    if not len(places):
        return 0.0
    reach = np.maximum(_NEAREST, np.ptp(places, axis=0) * _NEAR)
    apart = np.abs((places[:, None] - agreeing[None, :]) / reach).max(axis=2)
    return float((apart.min(axis=1) <= 1).mean())


def matched(
    query: NDArray[np.uint64], stored: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]:
    """Return the indices of features that are each other's nearest, and their distances."""
    if len(query) < 2 or len(stored) < 2:
        return _NONE, _NONE, np.empty(0, dtype=np.uint8)
    distances = np.bitwise_count(query[:, None] ^ stored[None, :])
    nearest = distances.argmin(axis=1)
    rows = np.arange(len(query))
    mutual = distances.argmin(axis=0)[nearest] == rows
    left = np.flatnonzero(mutual & (distances[rows, nearest] <= _FARTHEST))
    right = nearest[left]
    closest = distances[left, right]
    others = distances[left]
    others[np.arange(len(left)), right] = 255
    good = closest <= _RATIO * others.min(axis=1)
    return left[good], right[good], closest[good]


def _supporters(start: Floats, end: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each match's transform (k x 2 x 2), and which matches support it (k x k)."""
    turns = end[:, 3] - start[:, 3]
    angles = turns * np.float32(2 * math.pi / 256)
    octaves = (end[:, 2] - start[:, 2]) / 16
    cosines, sines = np.cos(angles) * 2**octaves, np.sin(angles) * 2**octaves
    matrices = np.stack([cosines, -sines, sines, cosines], axis=-1).reshape(-1, 2, 2)
    # By every transform i, the vector from i's place to j's should become that of the others.
    # Written out, since so many small matrices are multiplied slowly.
    across, down, wanted_across, wanted_down = (
        column[None, :] - column[:, None] for column in (*start[:, :2].T, *end[:, :2].T)
    )
    cosines, sines = cosines[:, None], sines[:, None]
    missed = np.square(cosines * across - sines * down - wanted_across)
    missed += np.square(sines * across + cosines * down - wanted_down)
    tolerance = np.square(_TOLERANCE * np.maximum(1, 2**octaves))[:, None]
    scales = np.abs(octaves[:, None] - octaves[None, :]) <= math.log2(_SCALE_FACTOR)
    apart = np.abs((turns[:, None] - turns[None, :] + 128) % 256 - 128)
    return matrices, (missed <= tolerance) & scales & (apart <= _TURN)


def _affine(start: Floats, end: Floats) -> tuple[Floats, Floats] | None:
    """Return the affine map that takes ``start`` to ``end`` with the least squares."""
    centre, target = start.mean(axis=0), end.mean(axis=0)
    away, wanted = start - centre, end - target
    scatter = away.T @ away
    # Places on a line, or all at one, fix no map of the plane.
    if np.linalg.det(scatter) <= 1e-3 * max(1.0, float(np.trace(scatter))) ** 2:
        return None
    matrix = np.linalg.solve(scatter, away.T @ wanted).T
    return matrix, target - matrix @ centre


def _places(places: Floats) -> int:
    """Return how many places differ, on a grid of ``_PLACE`` pixels."""
    cells = (places // _PLACE).astype(np.intp)
    return len(set((cells[:, 0] * 64 + cells[:, 1]).tolist()))


def _spread(places: Floats) -> float:
    if len(places) < 2:
        return 0.0
    away = places - places.mean(axis=0)
    return float(np.sqrt(max(0.0, np.linalg.eigvalsh(away.T @ away / len(places))[0])))
