"""Correlations cell by cell: where a picture is shifted, flat, or another one."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.matching.correlation import (
    CELL,
    average_cells,
    correlate,
    smooth_cells,
)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(3).normal(128, 30, (64, 80)).astype(np.float32)


def test_a_picture_agrees_with_itself_everywhere(noise: np.ndarray) -> None:
    found = correlate(noise, noise, reach=1, window=3, noise=1.0)
    assert found.best.shape == (64 // CELL, 80 // CELL)
    assert found.best.min() > 0.99
    assert (found.centre == found.best).all()
    assert (found.shifts == 0).all()
    assert found.first_detail == pytest.approx(found.second_detail, rel=1e-3)


@pytest.mark.parametrize("shift", [(2, 0), (0, -3), (-1, 2)])
def test_a_shift_is_found(noise: np.ndarray, shift: tuple[int, int]) -> None:
    moved = np.roll(noise, shift[::-1], axis=(0, 1))
    found = correlate(noise, moved, reach=3, window=3, noise=1.0)
    middle = np.s_[3:-3, 3:-3]
    assert (found.shifts[middle] == shift).all()
    assert found.best[middle].min() > 0.9
    assert np.abs(found.centre[middle]).max() < 0.6


def test_a_shift_out_of_reach_is_not(noise: np.ndarray) -> None:
    found = correlate(noise, np.roll(noise, 3, axis=1), reach=1, window=3, noise=1.0)
    assert np.median(found.best) < 0.3


def test_flat_parts_correlate_by_nothing(noise: np.ndarray) -> None:
    flat = noise.copy()
    flat[:32] = 100
    found = correlate(flat, noise, reach=0, window=3, noise=6.0)
    assert np.abs(found.best[:6]).max() < 0.1
    assert found.best[-6:].min() > 0.9
    assert found.first_detail[:6].max() < 0.1


def test_brightness_and_contrast_do_not_matter(noise: np.ndarray) -> None:
    found = correlate(noise, np.float32(0.5) * noise + np.float32(40), reach=0, window=3, noise=1.0)
    assert found.best.min() > 0.99


def test_a_negative_correlates_negatively(noise: np.ndarray) -> None:
    assert correlate(noise, 255 - noise, reach=0, window=3, noise=1.0).best.max() < -0.99


def test_cells_are_averaged_and_smoothed() -> None:
    values = np.arange(8 * 12, dtype=np.float32).reshape(8, 12)
    averaged = average_cells(values)
    assert averaged == pytest.approx(values.reshape(2, 4, 3, 4).mean(axis=(1, 3)))
    assert smooth_cells(averaged, 1) == pytest.approx(averaged)
    assert smooth_cells(np.full((5, 6), 7, dtype=np.float32), 3) == pytest.approx(7)
