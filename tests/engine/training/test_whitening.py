"""What is learned of the features of the network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.lite0.networks import DATA
from django_visualsnoop.engine.lite0.whitening import Whitening, encode_embeddings
from django_visualsnoop.engine.training import whitening
from django_visualsnoop.engine.training.whitening import (
    CALIBRATE,
    LEARN,
    LIST,
    Photograph,
    choose_strength,
    compute_precision,
    draw_pairs,
    fit_logistic,
    learn_directions,
    learn_rotation,
    read_list,
)

if TYPE_CHECKING:
    from pathlib import Path

REPORTED = ("marcusklasson/GroceryStoreDataset", "magento/magento2-sample-data")


def clusters(seed: int, size: int = 600, width: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Return features of pictures of twenty kinds, and their kinds."""
    dice = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(20, width))
    numbers = dice.integers(20, size=size)
    spread = np.linspace(3, 0.1, width)
    features = 5 + centres[numbers] + dice.normal(size=(size, width)) * spread
    return features, np.array([f"kind {number}" for number in numbers])


def test_whitening_finds_more_of_a_kind_and_its_signs_tell_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(whitening, "DIMENSIONS", 64)
    features, kinds = clusters(1)
    directions = learn_directions(features)
    assert directions.vectors.shape == (300, 64)
    assert (np.diff(directions.variances) <= 0).all()
    before, _ = clusters(2)
    projected = (before - directions.mean) @ directions.build_projection(0.0)
    assert projected.mean(axis=0) == pytest.approx(np.zeros(64), abs=0.3)
    assert choose_strength(features, kinds) in whitening.STRENGTHS
    assert capsys.readouterr().out.count("P@5") == len(whitening.STRENGTHS)
    vectors = (features - directions.mean) @ directions.build_projection(3.0)
    rotation = learn_rotation(vectors, np.random.default_rng(1))
    assert rotation @ rotation.T == pytest.approx(np.eye(64), abs=1e-9)
    angles = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = angles @ angles.T
    agreeing = [np.sign(one) @ np.sign(one).T / 64 for one in (vectors, vectors @ rotation)]
    errors = [np.abs(np.sin(np.pi / 2 * one) - cosines).mean() for one in agreeing]
    assert errors[1] < errors[0]
    assert compute_precision(vectors, kinds) == pytest.approx(
        compute_precision(vectors @ rotation, kinds)
    )


def test_a_logistic_function_is_found_again() -> None:
    dice = np.random.default_rng(1)
    cosines = dice.uniform(-0.2, 1, 200_000)
    same = dice.random(200_000) < 1 / (1 + np.exp(-(12 * cosines - 3)))
    slope, offset = fit_logistic(cosines, same)
    assert slope == pytest.approx(12, abs=0.3)
    assert offset == pytest.approx(-3, abs=0.1)


def test_half_of_the_pairs_are_of_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whitening, "_PAIRS", 300)
    kinds = np.array(["a", "a", "b", "b", "alone"])
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [-1, 0]])
    cosines, same = draw_pairs(vectors, kinds, np.random.default_rng(1))
    assert same.sum() == 300
    assert cosines[same].tolist() == [1] * 300
    assert cosines[~same].tolist() == [0] * 300


def test_one_and_many_embeddings_are_computed_alike() -> None:
    dice = np.random.default_rng(1)
    values = Whitening(
        dice.random(1280).astype(np.float32),
        dice.integers(-127, 128, (1280, 256)).astype(np.int8),
        dice.random(256).astype(np.float32),
        np.zeros(2),
    )
    features = dice.random((3, 1280)).astype(np.float32)
    found = encode_embeddings(features, values)
    assert found.shape == (3, 256)
    assert np.abs(found).max(axis=1).tolist() == [127] * 3


def test_the_list_has_no_picture_of_the_sets_that_are_reported() -> None:
    listed = read_list(DATA / LIST)
    assert 5000 < len(listed) < 6000
    assert {one.repository for one in listed} == set(whitening.SETS)
    assert not {one.repository for one in listed} & set(REPORTED)
    assert len({one.digest for one in listed}) == len(listed)
    assert {one.use for one in listed} == {LEARN, CALIBRATE}
    assert all(one.kind is not None for one in listed if one.use == CALIBRATE)
    assert not [one for one in listed if "Faces" in one.path]


def test_photographs_are_learned_from_as_listed(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whitening, "SETS", {"maxogden/cats": re.compile(r"^(\w).*\.(?i:jpg|png)$")})
    source = whitening._Source(clone, tmp_path)
    chosen = [one for one in whitening.choose_photographs(source) if "broken" not in one.path]
    assert [one.path for one in chosen] == ["a.JPG", "b c.jpg", "ü.png"]
    whitening.write_list(tmp_path / LIST, chosen)
    assert read_list(tmp_path / LIST) == chosen
    features = whitening.describe_photographs(source, chosen)
    assert set(features) == {one.digest for one in chosen}
    assert all(one.shape == (1280,) for one in features.values())
    changed = [*chosen, Photograph("maxogden/cats", "same.jpg", "0" * 64, LEARN)]
    with pytest.raises(SystemExit, match="lacks 1 of the listed photographs"):
        whitening.describe_photographs(source, changed)
