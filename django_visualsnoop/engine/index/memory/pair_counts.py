"""Add up the votes for pairs, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys: TypeAlias = NDArray[np.uint64]
    Votes: TypeAlias = NDArray[np.int64]

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


def select_best(
    keys: Keys, votes: NDArray[np.integer] | NDArray[np.floating], limit: int
) -> NDArray[np.bool_]:
    """Return which pairs are among the ``limit`` best ones of at least one of their images.

    So each image has a share of its own, however many pairs others have.
    """
    slots = np.concatenate(split_pair_keys(keys))
    order = np.lexsort((-np.tile(votes, 2), slots))
    slots = slots[order]
    ranks = np.arange(len(slots)) - np.searchsorted(slots, slots)
    best = np.zeros(len(keys), dtype=np.bool_)
    best[order[ranks < limit] % max(1, len(keys))] = True
    return best


class PairCounts:
    """Votes for pairs. Of more than ``LIMIT`` pairs, those with the fewest votes are forgotten.

    So if very many pairs occur by chance, some rare ones are undercounted
    (compare the lossy counting of G. Manku, R. Motwani, Approximate
    frequency counts over data streams, VLDB 2002).
    """

    def __init__(self) -> None:
        self._keys: list[Keys] = [np.empty(0, dtype=np.uint64)]
        self._votes: list[Votes] = [np.empty(0, dtype=np.int64)]
        self._waiting = 0

    def add(self, keys: Keys, votes: NDArray[np.integer]) -> None:
        """Add votes for pairs; a pair may occur several times."""
        named, sums = _add_up(keys, votes.astype(np.int64))
        self._keys.append(named)
        self._votes.append(sums)
        self._waiting += len(named)
        if self._waiting > max(LIMIT // 4, len(self._keys[0])):
            self._sum()

    def get_counts(self, least: int) -> tuple[Keys, Votes]:
        """Return the pairs with at least ``least`` votes, sorted, and their votes."""
        self._sum()
        enough = self._votes[0] >= least
        return self._keys[0][enough], self._votes[0][enough]

    def _sum(self) -> None:
        keys, votes = _add_up(np.concatenate(self._keys), np.concatenate(self._votes))
        if len(keys) > LIMIT:
            few = np.partition(votes, len(votes) - LIMIT)[len(votes) - LIMIT]
            keys, votes = keys[votes > few], votes[votes > few]
        self._keys, self._votes, self._waiting = [keys], [votes], 0


def _add_up(keys: Keys, votes: Votes) -> tuple[Keys, Votes]:
    """Return the different pairs, sorted, and the sum of the votes of each."""
    if not len(keys):
        return keys, votes
    order = np.argsort(keys)
    keys, votes = keys[order], votes[order]
    firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[firsts], np.add.reduceat(votes, firsts)
