"""Pairs of which is known whether they are copies, and the logistic fit."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.training import fit
from django_visualsnoop.engine.training import hard_negatives as decoys


def test_logistic_finds_the_odds() -> None:
    dice = np.random.default_rng(1)
    rows = np.stack([np.ones(20_000), dice.normal(size=20_000)], axis=1)
    chances = 1 / (1 + np.exp(-(rows @ [-1.0, 2.0])))
    truth = dice.random(20_000) < chances
    weights = fit.fit_logistic(fit.Pairs(rows, truth, np.ones(20_000)))
    assert weights == pytest.approx([-1.0, 2.0], abs=0.15)
    # Counting what is no copy thrice is three times the odds against one.
    others = fit.fit_logistic(fit.Pairs(rows, truth, np.where(truth, 1.0, 3.0)))
    assert others == pytest.approx([-1.0 - np.log(3), 2.0], abs=0.2)
    assert fit.compute_calibration_error(chances, truth) < 0.02
    assert fit.compute_calibration_error(chances / 2, truth) > 0.1
    assert fit.compute_log_loss(chances, truth) < fit.compute_log_loss(chances / 2, truth)


def test_decoys_can_be_repeated_and_name_their_photograph(photos: list[list[np.ndarray]]) -> None:
    pictures = [photo[0] for photo in photos]
    for template in decoys.TEMPLATES:
        one, other = (template(pictures[0], np.random.default_rng(5)) for _ in range(2))
        assert one.dtype == np.uint8
        assert (one == other).all()
    made = list(fit.draw_decoys(pictures, np.random.default_rng(3)))
    again = list(fit.draw_decoys(pictures, np.random.default_rng(3)))
    assert all((one[2] == other[2]).all() for one, other in zip(made, again, strict=True))
    pages = [number for number, kept, _ in made if kept and number < 0]
    assert len(set(pages)) == len(pages)
    # Of each page that is stored, copies are looked up, and of photographs in surroundings.
    stored = {number for number, kept, _ in made if kept}
    wanted = {number for number, kept, _ in made if not kept}
    assert set(pages) <= wanted
    assert {number for number in stored & wanted if number >= 0}
    assert wanted - stored
