"""Pairs, counted in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.index.memory import pair_counts
from django_visualsnoop.engine.index.memory.pair_counts import (
    PairCounts,
    build_pair_keys,
    select_best,
    split_pair_keys,
)

if TYPE_CHECKING:
    import pytest


def test_more_pairs_than_can_be_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_counts, "LIMIT", 64)
    counted = PairCounts()
    for number in range(50):
        chance = build_pair_keys(np.arange(10) + 1000 * number, np.arange(10) + 500_000)
        keys = np.append(chance, build_pair_keys(np.array([7, 7, 9]), np.array([3, 3, 9])))
        counted.add(keys, np.append(np.full(10, 3), [4, 1, 2]))
    keys, counts = counted.get_counts(4)
    first, second = split_pair_keys(keys)
    assert (first.tolist(), second.tolist()) == ([3, 9], [7, 9])
    assert counts.tolist() == [250, 100]


def test_each_image_has_its_share_of_pairs() -> None:
    """Image 0 has many good pairs, image 9 one that is worse than all of them."""
    keys = build_pair_keys(np.array([0, 0, 0, 0, 9]), np.array([1, 2, 3, 4, 0]))
    votes = np.array([8, 7, 6, 5, 1])
    assert select_best(keys, votes, 1).all()
    among = build_pair_keys(np.array([0, 0, 1]), np.array([1, 2, 2]))
    assert select_best(among, np.array([3, 2, 1]), 1).tolist() == [True, True, False]
    assert select_best(keys[:0], votes[:0], 3).tolist() == []
