"""Pairs, counted in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.index.memory import pair_counts
from django_visualsnoop.engine.index.memory.pair_counts import (
    PairCounts,
    build_pair_keys,
    split_pair_keys,
)

if TYPE_CHECKING:
    import pytest


def test_more_pairs_than_can_be_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_counts, "LIMIT", 64)
    counted = PairCounts()
    for number in range(50):
        chance = build_pair_keys(np.arange(10) + 1000 * number, np.arange(10) + 500_000)
        counted.add(np.append(chance, build_pair_keys(np.array([7, 7, 9]), np.array([3, 3, 9]))))
    keys, counts = counted.get_counts(3)
    first, second = split_pair_keys(keys)
    assert (first.tolist(), second.tolist()) == ([3, 9], [7, 9])
    assert counts.tolist() == [100, 50]
