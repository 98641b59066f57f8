"""Count how often pairs occur, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys: TypeAlias = NDArray[np.uint64]
    Counts: TypeAlias = NDArray[np.int64]

#: Different pairs kept at a time; each takes 16 bytes, and as many again while counting.
LIMIT = 1 << 25


def build_pair_keys(one: NDArray[np.integer], other: NDArray[np.integer]) -> Keys:
    """Return 64 bits for each pair of slots: the smaller one, then the larger one."""
    first, second = np.minimum(one, other), np.maximum(one, other)
    keys: Keys = (first.astype(np.uint64) << np.uint64(32)) | second.astype(np.uint64)
    return keys


def split_pair_keys(keys: Keys) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the smaller and the larger slots of pairs."""
    return (keys >> np.uint64(32)).astype(np.intp), (keys & np.uint64(2**32 - 1)).astype(np.intp)


class PairCounts:
    """Counts of pairs. Of more than ``LIMIT`` pairs, those that occurred once are forgotten.

    So if very many pairs occur by chance, some rare ones are undercounted
    (compare the lossy counting of G. Manku, R. Motwani, Approximate
    frequency counts over data streams, VLDB 2002).
    """

    def __init__(self) -> None:
        self._keys: list[Keys] = [np.empty(0, dtype=np.uint64)]
        self._counts: list[Counts] = [np.empty(0, dtype=np.int64)]
        self._waiting = 0

    def add(self, keys: Keys) -> None:
        """Count pairs; a pair may occur several times."""
        named, counts = np.unique(keys, return_counts=True)
        self._keys.append(named)
        self._counts.append(counts.astype(np.int64))
        self._waiting += len(named)
        if self._waiting > max(LIMIT // 4, len(self._keys[0])):
            self._sum()

    def get_counts(self, least: int) -> tuple[Keys, Counts]:
        """Return the pairs that occurred at least ``least`` times, sorted, and their counts."""
        self._sum()
        enough = self._counts[0] >= least
        return self._keys[0][enough], self._counts[0][enough]

    def _sum(self) -> None:
        keys, counts = np.concatenate(self._keys), np.concatenate(self._counts)
        order = np.argsort(keys)
        keys, counts = keys[order], counts[order]
        if len(keys):
            firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
            keys, counts = keys[firsts], np.add.reduceat(counts, firsts)
        if len(keys) > LIMIT:
            keys, counts = keys[counts > 1], counts[counts > 1]
        self._keys, self._counts, self._waiting = [keys], [counts], 0
