"""Which lists are read, and which images get votes."""

from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.index.memory import inverted


def test_the_shortest_lists_are_read_first() -> None:
    counts = np.array([5, 1, 7, 0, 2])
    assert inverted.select_affordable(counts, 15).all()
    assert inverted.select_affordable(counts, 14).tolist() == [True, True, False, True, True]
    assert inverted.select_affordable(counts, 7).tolist() == [False, True, False, True, True]
    assert inverted.select_affordable(counts, 0).tolist() == [False, False, False, True, False]
