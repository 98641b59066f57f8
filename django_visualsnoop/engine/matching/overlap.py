"""How far two pictures agree where they show the same. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.matching.verify import TELLING_FROM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.verify import Alignment

    Floats = NDArray[np.floating]

#: A feature is near one that agrees within this share of the sides of what overlaps …
_NEAR = 1 / 8
#: … or within so many pixels at ``SIDE``.
_NEAREST = 5.0


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
    #: 0 to 1: the share of a picture's features that is there, for the picture with less.
    whole: float


NO_OVERLAP = Overlap(0.0, 0.0, 0.0, 0.0)


def measure_overlap(query: Descriptor, stored: Descriptor, match: Alignment) -> Overlap:
    """Return how far two pictures agree where they overlap; see ``verify``."""
    if match.inliers < TELLING_FROM or abs(np.linalg.det(match.matrix)) < 1e-3:
        return NO_OVERLAP
    start, end = (one.places[:, :2].astype(np.float32) for one in (query, stored))
    moved = start @ match.matrix.T + match.shift
    back = (end - match.shift) @ np.linalg.inv(match.matrix).T
    from_query, from_stored = start[_find_within(moved, end)], end[_find_within(back, start)]
    fewer = max(1, min(len(from_query), len(from_stored)))
    return Overlap(
        min(1.0, len(match.left) / fewer),
        _measure_covered(from_stored, end[match.right]),
        _measure_covered(from_query, start[match.left]),
        min(len(from_query) / len(start), len(from_stored) / len(end)),
    )


def _find_within(places: Floats, others: Floats) -> NDArray[np.bool_]:
    """Return which places lie in the rectangle that holds the others."""
    inside: NDArray[np.bool_] = (
        (places >= others.min(axis=0) - 1) & (places <= others.max(axis=0) + 1)
    ).all(axis=1)
    return inside


def _measure_covered(places: Floats, agreeing: Floats) -> float:
    """Return the share of the places near to one that agrees: an eighth of the region's sides."""
    if not len(places):
        return 0.0
    reach = np.maximum(_NEAREST, np.ptp(places, axis=0) * _NEAR)
    apart = np.abs((places[:, None] - agreeing[None, :]) / reach).max(axis=2)
    return float((apart.min(axis=1) <= 1).mean())
