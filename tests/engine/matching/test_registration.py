"""One picture laid over another, by maps that are a little wrong."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.descriptor import SIDE
from django_visualsnoop.engine.descriptors.thumbnail import Thumbnail
from django_visualsnoop.engine.matching.correlation import CELL
from django_visualsnoop.engine.matching.registration import Registration, compute_luma, register
from django_visualsnoop.engine.matching.verify import NO_ALIGNMENT, Alignment
from tests.engine.descriptors import scenes


def small(pixels: np.ndarray) -> np.ndarray:
    found = Thumbnail(np.ascontiguousarray(pixels)).pixels
    assert found is not None
    return found


def aligned(matrix: object = ((1, 0), (0, 1)), shift: object = (0, 0)) -> Alignment:
    return NO_ALIGNMENT._replace(
        inliers=20,
        matrix=np.array(matrix, dtype=np.float32),
        shift=np.array(shift, dtype=np.float32),
    )


def measure_gap(laid: Registration) -> float:
    return float(np.abs(laid.first - laid.second)[laid.inside].mean())


def test_equal_pictures_lie_on_each_other() -> None:
    picture = small(scenes.pixels(1))
    laid = register(picture, picture, aligned())
    assert laid is not None
    assert measure_gap(laid) < 1
    assert laid.scale == pytest.approx(1, abs=1e-3)
    assert laid.shares == pytest.approx((1, 1), abs=0.1)
    assert laid.first.shape[0] % CELL == laid.first.shape[1] % CELL == 0


@pytest.mark.parametrize("error", [(1.5, 0.0), (0.0, -2.5), (-2.0, 2.0)])
def test_a_map_that_is_a_little_wrong_is_corrected(error: tuple[float, float]) -> None:
    picture = small(scenes.pixels(1))
    right, wrong = (register(picture, picture, aligned(shift=one)) for one in ((0, 0), error))
    assert right is not None
    assert wrong is not None
    assert measure_gap(wrong) < 4
    assert wrong.misfit < 0.7


def test_a_part_lies_on_the_whole() -> None:
    pixels = scenes.pixels(3)
    height, width = pixels.shape[:2]
    part = pixels[: height // 2, width // 4 : 3 * width // 4]
    # Both have SIDE on their longer side.
    factor = max(part.shape[:2]) / max(height, width)
    shift = width / 4 / max(height, width) * SIDE
    laid = register(small(part), small(pixels), aligned(np.eye(2) * factor, (shift, 0)))
    assert laid is not None
    assert laid.scale < 1
    whole, moved = laid.shares
    assert whole == pytest.approx(0.25, abs=0.03)
    assert moved > 0.9
    assert measure_gap(laid) < 10
    back = register(small(pixels), small(part), aligned(np.eye(2) / factor, (-shift / factor, 0)))
    assert back is not None
    assert back.scale == pytest.approx(laid.scale, rel=0.02)


def test_a_turned_picture_lies_on_the_upright_one() -> None:
    picture = small(scenes.pixels(2))
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 10, 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height)).astype(np.uint8)
    scale = SIDE / max(height, width)
    laid = register(picture, turned, aligned(turn[:, :2], turn[:, 2] * scale))
    assert laid is not None
    corners = compute_luma(laid.second) < 1
    assert float(np.abs(laid.first - laid.second)[laid.inside & ~corners].mean()) < 10


@pytest.mark.parametrize(
    ("matrix", "shift"),
    [
        (((1, 0), (0, 1)), (400, 0)),
        (((1, 0), (0, 1)), (195, 195)),
        (((0, 0), (0, 0)), (0, 0)),
        (((0.01, 0), (0, 0.01)), (90, 90)),
        (((900, 0), (0, 900)), (0, 0)),
    ],
    ids=["beside it", "a corner", "nothing", "a dot", "a pixel"],
)
def test_pictures_that_hardly_overlap_are_not_compared(matrix: object, shift: object) -> None:
    picture = small(scenes.pixels(1))
    assert register(picture, picture, aligned(matrix, shift)) is None
