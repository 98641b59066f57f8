"""Measure how far two pictures agree where they show the same. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.matching.verify import TELLING_FROM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.verify import Alignment

    Floats = NDArray[np.floating]

#: A feature is near an agreeing one within this share of the sides of the overlap …
_NEAR = 1 / 8
#: … or within this many pixels at ``SIDE``.
_NEAREST = 5.0


class Overlap(NamedTuple):
    """How far two pictures agree where, by their transform, they show the same.

    Pasted, cropped or framed parts lie outside of that region. If two pictures share only a page,
    a frame or a watermark, the region has more features that only one of them has.
    """

    #: 0 to 1: the share of features in the region that agree, of the picture that has fewer.
    share: float
    #: 0 to 1: the share of the stored picture's features there that are near an agreeing one.
    stored: float
    #: 0 to 1: likewise for the query.
    query: float
    #: 0 to 1: the share of a picture's features in the region, for the picture with less.
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
    """Return which places lie in the bounding rectangle of the others."""
    inside: NDArray[np.bool_] = (
        (places >= others.min(axis=0) - 1) & (places <= others.max(axis=0) + 1)
    ).all(axis=1)
    return inside


def _measure_covered(places: Floats, agreeing: Floats) -> float:
    """Return the share of places near an agreeing one: within an eighth of the region's sides."""
    if not len(places):
        return 0.0
    reach = np.maximum(_NEAREST, np.ptp(places, axis=0) * _NEAR)
    near = np.ones((len(places), len(agreeing)), dtype=np.bool_)
    for axis in (0, 1):
        near &= np.abs((places[:, None, axis] - agreeing[:, axis]) / reach[axis]) <= 1
    return float(near.any(axis=1).mean())
