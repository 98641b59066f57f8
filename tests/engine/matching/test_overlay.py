"""Laying one decoded picture over another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from django_visualsnoop.engine.matching.overlay import (
    find_full_features,
    find_map,
    fit_parts,
    place_over,
)
from tests.engine.flavours import draw_receipt

PAGE = np.asarray(draw_receipt("02/05/2026"))


def place(matrix: np.ndarray, x: float, y: float) -> tuple[float, float]:
    found = matrix @ (x, y, 1)
    return found[0] / found[2], found[1] / found[2]


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        np.array([[0.6, 0, 4], [0, 0.6, -3], [0, 0, 1]]),
        np.array([[0.8, -0.3, 150], [0.3, 0.8, 10], [0, 0, 1]]),
        np.array([[-1.0, 0, 479], [0, 1, 0], [0, 0, 1]]),
        np.array([[0, -1.0, 639], [1, 0, 0], [0, 0, 1]]),
        np.array([[1, 0.05, 0], [0.03, 0.9, 10], [0.0002, 0.0001, 1]]),
    ],
    ids=["the same", "smaller", "turned", "mirrored", "by a quarter", "askew"],
)
def test_features_find_the_map_to_a_fraction_of_a_pixel(matrix: np.ndarray) -> None:
    moved = cv2.warpPerspective(PAGE, matrix, (640, 640), borderValue=(120, 120, 120)).astype(
        np.uint8
    )
    found = find_map(find_full_features(PAGE), find_full_features(moved), PAGE.shape[1])
    assert found is not None
    assert found.agreeing >= 8
    for x, y in ((60, 60), (400, 300), (240, 600)):
        assert place(found.matrix, x, y) == pytest.approx(place(matrix, x, y), abs=0.6)
    placed = place_over(PAGE, moved, found.matrix)
    assert placed is not None
    laid = fit_parts(placed)
    assert laid.first.shape == laid.second.shape
    assert laid.inside.shape == laid.first.shape[:2]
    missed = np.abs(laid.first - laid.second).mean(axis=2)[laid.inside]
    assert np.median(missed) < 6


def test_the_frame_is_the_picture_with_less_detail() -> None:
    small = cv2.resize(PAGE, (240, 320), interpolation=cv2.INTER_AREA).astype(np.uint8)
    half = np.diag([0.5, 0.5, 1.0])
    for placed in (place_over(PAGE, small, half), place_over(small, PAGE, np.linalg.inv(half))):
        assert placed is not None
        laid = fit_parts(placed)
        assert laid.first.shape[:2] == (320, 240)
        assert laid.scale == pytest.approx(0.5, abs=0.01)
        assert min(laid.shares) > 0.95


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([0.05, 0.05, 1.0]),
        np.diag([1.0, 0.1, 1.0]),
        np.array([[1.0, 0, 470], [0, 1, 0], [0, 0, 1]]),
        np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]]),
        np.zeros((3, 3)),
    ],
    ids=["tiny", "squeezed", "little overlap", "folded", "nothing"],
)
def test_maps_that_are_no_view_of_a_picture_are_refused(matrix: np.ndarray) -> None:
    assert place_over(PAGE, PAGE, matrix) is None


def test_featureless_pictures_have_no_map() -> None:
    blank = find_full_features(np.full((300, 300, 3), 99, dtype=np.uint8))
    assert len(blank.places) == 0
    assert find_map(blank, find_full_features(PAGE), 300) is None
