"""Match the features of two pictures that are each other's nearest. Imports no Django."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Codes = NDArray[np.uint64]

#: The largest Hamming distance between two codes of one feature, of 64 bits.
_FARTHEST = 18
#: The largest distance of the nearest code, as a share of the distance of the second nearest.
_RATIO = 0.85
#: Number of stored pictures compared at a time; the distances stay in the processor's cache.
_TOGETHER = 8


class Matches(NamedTuple):
    """k features that are each other's nearest, clearly nearer than the second."""

    #: Indices of the features in the query.
    left: NDArray[np.intp]
    #: Indices of the features in the stored picture.
    right: NDArray[np.intp]
    #: Hamming distances of the codes, in bits.
    distances: NDArray[np.uint8]


def match_codes(query: Codes, stored: Sequence[Codes]) -> list[Matches]:
    """Return the matches of a picture with each stored one; of equally near codes, the first."""
    none = np.empty(0, dtype=np.intp)
    found = [Matches(none, none, np.empty(0, dtype=np.uint8))] * len(stored)
    if len(query) < 2:
        return found
    # Most pictures have the highest number of features, so they can be compared together.
    sizes = np.array([len(codes) for codes in stored], dtype=np.intp)
    for size in np.unique(sizes[sizes > 1]).tolist():
        alike = np.flatnonzero(sizes == size)
        for start in range(0, len(alike), _TOGETHER):
            some = alike[start : start + _TOGETHER].tolist()
            together = _match_batch(query, np.stack([stored[number] for number in some]))
            for number, matches in zip(some, together, strict=True):
                found[number] = matches
    return found


def _match_batch(query: Codes, stored: NDArray[np.uint64]) -> list[Matches]:
    """Return the matches with each of c pictures with equal numbers of features.

    Args:
        query: n codes.
        stored: c x m codes.
    """
    pictures, features = stored.shape
    # Pictures x features of the query x features of the picture.
    distances = np.bitwise_count(query[None, :, None] ^ stored[:, None, :])
    closest = distances.min(axis=2).ravel()
    places = np.flatnonzero(closest <= _FARTHEST)
    closest = closest[places]
    rows = distances.reshape(-1, features)[places]
    nearest = rows.argmin(axis=1)
    rows[np.arange(len(rows)), nearest] = 255  # leaves the second
    clear = closest <= _RATIO * rows.min(axis=1)
    places, nearest, closest = places[clear], nearest[clear], closest[clear]
    which, left = np.divmod(places, len(query))
    mutual = distances[which, :, nearest].argmin(axis=1) == left
    which, left, right = which[mutual], left[mutual], nearest[mutual]
    bounds = np.searchsorted(which, np.arange(pictures + 1)).tolist()
    return [
        Matches(left[start:end], right[start:end], closest[mutual][start:end])
        for start, end in pairwise(bounds)
    ]
