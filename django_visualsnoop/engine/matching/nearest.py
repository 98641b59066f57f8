"""Match the features of pictures that are each other's nearest. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Codes = NDArray[np.uint64]
    Numbers = NDArray[np.intp]
    Distances = NDArray[np.uint8]

#: The largest Hamming distance between two codes of one feature, of 64 bits.
_FARTHEST = 18
#: The largest distance of the nearest code, as a share of the distance of the second nearest.
_RATIO = 0.85
#: For each distance of the nearest code, the least one of a second that is clearly further.
_CLEARLY_FURTHER = np.array(
    [next(far for far in range(65) if near <= _RATIO * far) for near in range(_FARTHEST + 1)],
    dtype=np.uint8,
)
#: Distances that occur nowhere: of padding, and of codes that are too far.
_PADDING, _NONE = 255, 254
#: Number of stored pictures compared at a time …
_TOGETHER = 32
#: … and of codes whose differences stay in the processor's cache.
_DIFFERENCES = 1 << 15


class Matches(NamedTuple):
    """Features that are each other's nearest, clearly nearer than the second.

    Each array has one value per match, ordered by picture and then by feature of the query.
    """

    #: Indices of the stored pictures.
    pictures: Numbers
    #: Indices of the features in the query.
    left: Numbers
    #: Indices of the features in the stored picture.
    right: Numbers
    #: Hamming distances of the codes, in bits.
    distances: Distances

    def select(self, some: slice) -> Matches:
        """Return some of the matches."""
        return Matches(self.pictures[some], self.left[some], self.right[some], self.distances[some])


def match_codes(query: Codes, stored: Sequence[Codes]) -> Matches:
    """Return the matches of a picture with stored ones; of equally near codes, the first.

    Pictures with fewer than two features have none.
    """
    none = np.empty(0, dtype=np.intp)
    found = [Matches(none, none, none, np.empty(0, dtype=np.uint8))]
    if len(query) >= 2:
        for start in range(0, len(stored), _TOGETHER):
            batch = _match_batch(query, stored[start : start + _TOGETHER])
            found.append(batch._replace(pictures=batch.pictures + start))
    return Matches(*map(np.concatenate, zip(*found, strict=True)))


def _match_batch(query: Codes, stored: Sequence[Codes]) -> Matches:
    """Return the matches with each picture; see ``match_codes``."""
    sizes = np.array([len(codes) for codes in stored], dtype=np.intp)
    size = max(1, int(sizes.max()))
    codes = np.zeros((len(stored), size), dtype=np.uint64)
    for row, one in zip(codes, stored, strict=True):
        row[: len(one)] = one
    distances = _compute_distances(query, codes.ravel())
    padding = np.arange(size) >= np.where(sizes < 2, 0, sizes)[:, None]
    if padding.any():
        distances[:, padding.ravel()] = _PADDING
    left, columns = _find_nearest(distances)
    pictures, right = np.divmod(columns, size)
    rows = distances.reshape(len(query), len(stored), size)[left, pictures]
    own = distances[left, columns]
    clear = _are_clearly_nearest(rows, own, right)
    pictures, left, right, own = pictures[clear], left[clear], right[clear], own[clear]
    order = np.argsort(pictures, kind="stable")
    return Matches(pictures[order], left[order], right[order], own[order])


def _compute_distances(query: Codes, stored: Codes) -> Distances:
    """Return the Hamming distances: codes of the query x stored codes."""
    distances = np.empty((len(query), len(stored)), dtype=np.uint8)
    rows = max(1, _DIFFERENCES // len(stored))
    differences = np.empty((rows, len(stored)), dtype=np.uint64)
    for start in range(0, len(query), rows):
        some = query[start : start + rows, None]
        np.bitwise_xor(some, stored, out=differences[: len(some)])
        np.bitwise_count(differences[: len(some)], out=distances[start : start + rows])
    return distances


def _find_nearest(distances: Distances) -> tuple[Numbers, Numbers]:
    """Return the first of the nearest rows of each column that has a close one, and the column."""
    nearest = distances.min(axis=0)
    nearest[nearest > _FARTHEST] = _NONE
    rows, columns = np.divmod(np.flatnonzero(distances == nearest), distances.shape[1])
    first = np.empty(distances.shape[1], dtype=np.intp)
    first[columns[::-1]] = rows[::-1]  # the last assignment of a column stays
    kept = rows == first[columns]
    return rows[kept], columns[kept]


def _are_clearly_nearest(rows: Distances, own: Distances, places: Numbers) -> NDArray[np.bool_]:
    """Return for each row of distances whether one of them is clearly below all others.

    Args:
        rows: n x at most 255.
        own: n; the distances that may be.
        places: n; where in the row they are.
    """
    near = rows < _CLEARLY_FURTHER[own][:, None]
    clear: NDArray[np.bool_] = near.sum(axis=1, dtype=np.uint8) == (own > 0)  # itself
    equal = np.flatnonzero(own == 0)  # nothing is clearly further than 0, so the first one counts
    clear[equal] = rows[equal].argmin(axis=1) == places[equal]
    return clear
