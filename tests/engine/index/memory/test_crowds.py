"""Of a crowd, some images stand for all."""

from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.index.memory.crowds import KEPT, Crowds
from django_visualsnoop.engine.index.memory.pair_counts import build_pair_keys


def test_of_a_crowd_some_stand_for_all() -> None:
    crowds = Crowds(100)
    assert not crowds.find_spared().any()
    first, second = crowds.add_crowd(), crowds.add_crowd()
    crowds.assign(range(50), first)
    crowds.assign(range(60, 80), second)
    spared = crowds.find_spared()
    assert np.count_nonzero(~spared[:50]) == np.count_nonzero(~spared[60:80]) == KEPT
    assert not spared[50:60].any()
    assert not spared[80:].any()
    keys = build_pair_keys(np.array([0, 0, 0, 90, 60]), np.array([1, 55, 70, 91, 79]))
    assert crowds.find_within(keys).tolist() == [True, False, False, False, True]
