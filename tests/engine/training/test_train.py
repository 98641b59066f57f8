from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors import weights
from django_visualsnoop.engine.descriptors.describe import (
    apply_dihedral_action,
    build_probes,
    describe,
)
from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.compare import compare_all
from django_visualsnoop.engine.training import fit, train
from django_visualsnoop.engine.training import hard_negatives as decoys
from django_visualsnoop.engine.training.augment import MILD
from django_visualsnoop.engine.training.perturb import disfigure
from tests.collections.contract import image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def photos() -> list[list[np.ndarray]]:
    return [[decode(image(number)).pixels] for number in range(1, 21)]


def test_learning_is_repeatable_and_its_vectors_turn(
    photos: list[list[np.ndarray]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(train, "EDITS", 3)
    made, again = train.learn(photos), train.learn(photos)
    for name in made._fields:
        assert (getattr(made, name) == getattr(again, name)).all(), name
    for path in (tmp_path / "one.npz", tmp_path / "other.npz"):
        train.save(made, path)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
    shipped = weights.PATH
    try:
        weights.use_file(tmp_path / "one.npz")
        picture = photos[0][0]
        vector = apply_dihedral_action(describe(picture).vector)[1]
        turned = describe(np.ascontiguousarray(np.rot90(picture))).vector
        assert normalise(vector) @ normalise(turned) > 0.99
    finally:
        weights.use_file(shipped)


def test_what_is_shipped_is_small() -> None:
    assert weights.PATH.stat().st_size < 2_000_000


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


def test_edits_return_pictures_and_can_be_repeated() -> None:
    picture = decode(image(1)).pixels
    for edit in MILD:
        one, other = (edit(picture, np.random.default_rng(5)) for _ in range(2))
        assert one.dtype == np.uint8
        assert one.shape[2] == 3
        assert (one == other).all()
    assert edit(picture, np.random.default_rng(1)).shape[2] == 3


def test_pictures_are_disfigured_repeatably_and_stay_copies() -> None:
    picture, other = (decode(image(number)).pixels for number in (1, 2))
    made, again = (list(disfigure(picture, other, np.random.default_rng(5))) for _ in range(2))
    assert all((one == more).all() for one, more in zip(made, again, strict=True))
    assert all(one.shape == picture.shape and one.dtype == np.uint8 for one in made[:-1])
    assert all((one != picture).mean() > 0.2 for one in made[:-1])
    stored = [describe(picture), describe(other)]
    for one in made[:-1]:
        its, others = compare_all(build_probes(one), stored)
        assert its.score > others.score


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
