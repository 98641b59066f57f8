"""Verify that the local features of two pictures agree on one placement. Imports no Django.

Matches are codes that are each other's nearest, clearly nearer than the second.
Every match proposes a similarity transform, by its two places, scales and
directions. The one that most matches support is then fitted to them as an
affine map, which also allows for a changed aspect (compare the Hough voting
and the affine fit of D. Lowe, Distinctive image features from scale-invariant
keypoints, IJCV 2004).
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.matching.nearest import Matches, match_codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor

    Floats = NDArray[np.floating]
    Places = NDArray[np.uint8]

#: A match supports a transform if its place differs by at most this, in pixels at ``SIDE``
#: of the larger of the two views …
_TOLERANCE = 6.7
#: … its scale by at most this factor, and its direction by this many 256ths of a turn.
_SCALE_FACTOR = 1.7
_TURN = 24
#: A direction is that of a side if it differs by at most this many 256ths of a turn.
_AXIAL = 5
#: Features this close, in pixels at ``SIDE``, are at one place.
_PLACE = 5
#: An affine fit needs three matches; with fewer supporters than this it would fit to noise.
_FITTED_FROM = 4
#: A map that shrinks one direction this many times as much as the other fits noise. It must
#: still allow for pictures that people squeeze or see from the side.
_SQUEEZED = 2.5
#: Number of pairs of matches processed together.
_PAIRS = 1 << 17
#: Any two features agree on some transform, so fewer than this prove nothing.
TELLING_FROM = 3


class Alignment(NamedTuple):
    """How two pictures agree.

    ``matrix`` and ``shift`` take a place of the query to one of the stored
    picture, both in pixels at ``SIDE``: ``matrix @ place + shift``.
    """

    #: Features that agree on the transform. Those at one place count once: an edge found in
    #: several directions or scales proves no more than one found once.
    inliers: int
    #: Features that have a match.
    matches: int
    #: Mean Hamming distance of the inliers; 64 if there are none.
    distance: float
    #: 0 to 1: the share of agreeing features that point along a side of the picture, as those
    #: of words and lines do; in the picture with the larger share.
    axial: float
    #: The standard deviation of the inliers' places along the shorter axis of their cloud, in
    #: pixels at ``SIDE``, in the picture where it is larger.
    spread: float
    matrix: NDArray[np.floating]
    shift: NDArray[np.floating]
    #: Indices of all features that agree: in the query, and in the stored picture.
    left: NDArray[np.intp]
    right: NDArray[np.intp]

    @property
    def mirrored(self) -> bool:
        return _compute_determinant(self.matrix) < 0

    @property
    def turn(self) -> float:
        """Degrees by which the query is turned, from x towards y."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))

    @property
    def scale(self) -> float:
        """The scale from the query to the stored picture."""
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
    matches = match_codes(query.codes, [one.codes for one in stored])
    bounds = np.searchsorted(matches.pictures, np.arange(len(stored) + 1))
    found = [_build_unaligned(count) for count in np.diff(bounds).tolist()]
    if not len(matches.pictures):
        return found
    start = query.places[matches.left]
    end = np.concatenate(
        [
            one.places[matches.right[first:last]]
            for one, (first, last) in zip(stored, pairwise(bounds.tolist()), strict=True)
        ]
    )
    for number, proposed in _find_supported(start, end, bounds):
        some = slice(*bounds[number : number + 2].tolist())
        found[number] = _align(
            start[some].astype(np.float32),
            end[some].astype(np.float32),
            matches.select(some),
            proposed,
        )
    return found


@cache
def _build_unaligned(matches: int) -> Alignment:
    return NO_ALIGNMENT._replace(matches=matches)


class _ProposedTransform(NamedTuple):
    """The transform that most matches of a picture support."""

    #: Index of the match that proposes it.
    number: int
    matrix: Floats
    #: k; which matches support it.
    inside: NDArray[np.bool_]


def _align(
    start_places: Floats, end_places: Floats, matches: Matches, proposed: _ProposedTransform
) -> Alignment:
    """Return the alignment, with the transform fitted to its supporters.

    Args:
        start_places, end_places: k x 4; the places of the matches in both pictures.
        matches: the matches of one stored picture.
        proposed: see there.
    """
    best, matrix, inside = proposed
    start, end = start_places[:, :2], end_places[:, :2]
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
    axial = max(_measure_axial(start_places[inside, 3]), _measure_axial(end_places[inside, 3]))
    start, end = start[inside], end[inside]
    return Alignment(
        min(_count_places(start), _count_places(end)),
        len(start_places),
        float(matches.distances[inside].mean()),
        axial,
        max(_measure_spread(start), _measure_spread(end)),
        matrix,
        shift,
        matches.left[inside],
        matches.right[inside],
    )


def _find_supported(
    start: Places, end: Places, bounds: NDArray[np.intp]
) -> Iterator[tuple[int, _ProposedTransform]]:
    """Yield the numbers of the pictures that agree on a transform, with the one that most support.

    Args:
        start, end: the places of the matches in both pictures, k x 4; those of one stored picture
            follow each other.
        bounds: where those of each picture start, and the end.
    """
    sizes = np.diff(bounds)
    # Pictures are processed together, as many as have about ``_PAIRS`` pairs of matches.
    batches = np.cumsum(sizes**2) // _PAIRS
    edges = np.flatnonzero(np.diff(batches, prepend=-1, append=-1)).tolist()
    for first, last in pairwise(edges):
        some = slice(bounds[first], bounds[last])
        yield from (
            (first + number, proposed)
            for number, proposed in _find_supported_together(
                start[some], end[some], bounds[first : last + 1] - bounds[first]
            )
        )


def _find_supported_together(
    start: Places, end: Places, bounds: NDArray[np.intp]
) -> Iterator[tuple[int, _ProposedTransform]]:
    """Yield what ``_find_supported`` yields, for pictures whose pairs fit into memory."""
    proposing, supporting = _find_alike(start, end, bounds)
    start, end = start.astype(np.float32), end.astype(np.float32)
    angles = (end[:, 3] - start[:, 3]) * np.float32(2 * math.pi / 256)
    scales = 2 ** ((end[:, 2] - start[:, 2]) / 16)
    cosines, sines = np.cos(angles) * scales, np.sin(angles) * scales
    # The transform of the one should map its vector to the other's place to the stored one.
    x, y = (start[supporting, axis] - start[proposing, axis] for axis in (0, 1))
    missed_x, missed_y = (end[supporting, axis] - end[proposing, axis] for axis in (0, 1))
    missed_x -= cosines[proposing] * x - sines[proposing] * y
    missed_y -= sines[proposing] * x + cosines[proposing] * y
    tolerance = (_TOLERANCE * np.maximum(1, scales)) ** 2
    supports = missed_x**2 + missed_y**2 <= tolerance[proposing]
    proposing, supporting = proposing[supports], supporting[supports]
    agreeing = np.bincount(proposing, minlength=len(start))
    enough = np.flatnonzero(agreeing >= TELLING_FROM)
    for number in np.unique(np.searchsorted(bounds, enough, side="right") - 1).tolist():
        first, last = bounds[number : number + 2].tolist()
        best = first + int(agreeing[first:last].argmax())
        inside = np.zeros(last - first, dtype=np.bool_)
        inside[supporting[proposing == best] - first] = True
        cosine, sine = cosines[best], sines[best]
        matrix = np.array([[cosine, -sine], [sine, cosine]])
        yield number, _ProposedTransform(best - first, matrix, inside)


def _find_alike(
    start: Places, end: Places, bounds: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs of matches of one picture whose scales and directions change alike.

    Most pairs do not: so what costs more is computed for these only.

    Args:
        start, end, bounds: see ``_find_supported``.
    """
    sizes = np.diff(bounds)
    first = np.repeat(bounds[:-1], sizes)
    counts = np.repeat(sizes, sizes)
    one = np.repeat(np.arange(len(start)), counts)
    other = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    turns = end[:, 3] - start[:, 3]  # modulo 256
    steps = end[:, 2].astype(np.int16) - start[:, 2]
    alike = turns[one] - turns[other] + np.uint8(_TURN) <= 2 * _TURN
    alike &= np.abs(steps[one] - steps[other]) <= 16 * math.log2(_SCALE_FACTOR)
    return one[alike], other[alike]


def _fit_affine(start: Floats, end: Floats) -> tuple[Floats, Floats] | None:
    """Return the affine map that takes ``start`` to ``end`` with the least squares.

    Return ``None`` if the places do not determine it, or if it cannot be a view of a picture: too
    narrow, or mirrored.
    """
    centre, target = start.mean(axis=0), end.mean(axis=0)
    away, wanted = start - centre, end - target
    scatter = away.T @ away
    # Places on a line, or all at one point, determine no map of the plane.
    if _compute_determinant(scatter) <= 1e-3 * max(1.0, float(np.trace(scatter))) ** 2:
        return None
    matrix = np.linalg.solve(scatter, away.T @ wanted).T
    # With singular values a and b: (a² + b²) / ab.
    if _compute_determinant(matrix) * (_SQUEEZED + 1 / _SQUEEZED) < float((matrix**2).sum()):
        return None
    return matrix, target - matrix @ centre


def _count_places(places: Floats) -> int:
    """Return the number of different places, on a grid of ``_PLACE`` pixels."""
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
