"""Boosted trees."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.training import boosting
from django_visualsnoop.engine.training.boosting import fit_trees


@pytest.mark.service("scikit-learn")
def test_fitted_trees_tell_the_odds_and_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "BINS", 64)
    dice = np.random.default_rng(4)
    inputs = dice.uniform(-1, 1, (3000, 4)).astype(np.float32)
    chance = np.where(inputs[:, 2] > 0.25, 0.9, 0.1)
    truth = dice.random(3000) < chance
    trees, again = (fit_trees(inputs, truth, np.ones(3000), 7) for _ in range(2))
    rows = np.array([[0, 0, 0.7, 0], [0, 0, -0.5, 0]], dtype=np.float32)
    likely, unlikely = map(trees.predict, rows)
    assert 1.4 < likely < 3.2
    assert -3.2 < unlikely < -1.4
    for name in trees._fields:
        assert np.array_equal(getattr(trees, name), getattr(again, name))
    # Weights change the odds.
    heavier = fit_trees(inputs, truth, np.where(truth, 5.0, 1.0), 7)
    assert heavier.predict(rows[1]) > unlikely + 1
