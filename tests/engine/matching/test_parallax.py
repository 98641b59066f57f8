"""What has moved between two shots, told from what edits do to all of a picture."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from django_visualsnoop.engine.matching.closer_look import look_closer
from django_visualsnoop.engine.matching.overlay import Placed, place_over
from django_visualsnoop.engine.matching.parallax import find_blocks, measure_parallax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

HEIGHT, WIDTH = 360, 480


@cache
def draw_texture(seed: int) -> NDArray[np.float32]:
    """Return 400 x 560 x 3 pixels with details of many sizes."""
    dice = np.random.default_rng(seed)
    drawn = np.zeros((400, 560, 3))
    for side in (3, 6, 12, 40):
        noise = dice.uniform(-1, 1, (400 // side + 2, 560 // side + 2, 3))
        drawn += cv2.resize(noise, (560, 400), interpolation=cv2.INTER_CUBIC) * side**0.5
    return (128 + 22 * drawn).astype(np.float32)


def shift(picture: NDArray[np.float32], across: float) -> NDArray[np.float32]:
    matrix = np.array([[1, 0, across - 40], [0, 1, -20]], dtype=np.float64)
    shifted = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
    return shifted.astype(np.float32)


@cache
def take_shot(camera: float, seed: int = 1) -> Pixels:
    """Return a view of things before a wall: from the side, each moves as far as it is near."""
    view = shift(draw_texture(seed), 0)
    for number in range(6):
        nearness = 1 + number / 2
        mask = np.zeros((400, 560), dtype=np.float32)
        place = 90 + 150 * (number % 3), 110 + 170 * (number // 3)
        cv2.ellipse(mask, place, (58, 70), 20 * number, 0, 360, 1, -1, cv2.LINE_AA)
        shown = shift(mask, camera * nearness)[..., None]
        thing = shift(draw_texture(100 + number), camera * nearness)
        view = view * (1 - shown) + thing * shown
    return np.clip(view, 0, 255).astype(np.uint8)


def encode(pixels: Pixels, quality: int = 80) -> Pixels:
    _, written = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), dtype=np.uint8)


def warp(pixels: Pixels, matrix: object) -> Pixels:
    return cv2.warpPerspective(
        pixels, np.array(matrix, dtype=np.float64), (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC
    ).astype(np.uint8)


def bend(pixels: Pixels) -> Pixels:
    """Return the picture as a lens shows it: its corners are 3 pixels further out."""
    down, across = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    x, y = (across - WIDTH / 2) / WIDTH, (down - HEIGHT / 2) / WIDTH
    far = np.float32(16) * (x * x + y * y)
    return cv2.remap(
        pixels, across - far * x * 2, down - far * y * 2, cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    ).astype(np.uint8)  # fmt: skip


def caption(pixels: Pixels) -> Pixels:
    drawn = pixels.copy()
    drawn[300:345, 40:440] = 240
    cv2.putText(drawn, "On sale today", (60, 333), cv2.FONT_HERSHEY_DUPLEX, 1, (20, 20, 20), 2)
    return drawn


EDITS: dict[str, Callable[[Pixels], Pixels]] = {
    "encoded again": lambda pixels: encode(pixels, 40),
    "smaller": lambda pixels: cv2.resize(pixels, (300, 225), interpolation=cv2.INTER_AREA).astype(
        np.uint8
    ),
    "larger": lambda pixels: cv2.resize(pixels, (507, 380)).astype(np.uint8),
    "cropped": lambda pixels: np.ascontiguousarray(pixels[25:330, 40:470]),
    "blurred": lambda pixels: cv2.GaussianBlur(pixels, (0, 0), 1.5).astype(np.uint8),
    "sharpened": lambda pixels: np.clip(
        2.0 * pixels - cv2.GaussianBlur(pixels, (0, 0), 1.5), 0, 255
    ).astype(np.uint8),
    "captioned": caption,
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "tilted": lambda pixels: warp(pixels, [[0.998, -0.06, 12], [0.06, 0.998, -10], [0, 0, 1]]),
    "askew": lambda pixels: warp(pixels, [[1, 0.04, 0], [0.02, 0.95, 6], [1.5e-4, 8e-5, 1]]),
    "bent": bend,
    "brighter": lambda pixels: np.clip(1.3 * pixels + 10, 0, 255).astype(np.uint8),
    "noisy": lambda pixels: np.clip(
        pixels + np.random.default_rng(1).normal(0, 12, pixels.shape), 0, 255
    ).astype(np.uint8),
}


def place(first: Pixels, second: Pixels) -> Placed:
    placed = place_over(first, second, np.eye(3))
    assert placed is not None
    return placed


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_copy_is_no_other_shot(edit: Callable[[Pixels], Pixels]) -> None:
    for seed in (1, 2):
        one = encode(take_shot(0, seed), 90)
        found = look_closer(one, encode(edit(one)))
        assert found is None or found.relation != "shot"


@pytest.mark.parametrize("camera", [2.0, -3.0])
@pytest.mark.parametrize("edit", ["encoded again", "smaller", "cropped", "brighter", "mirrored"])
def test_a_moved_camera_takes_another_shot(camera: float, edit: str) -> None:
    one, other = encode(take_shot(0), 90), encode(EDITS[edit](take_shot(camera)))
    for pair in ((one, other), (other, one)):
        found = look_closer(*pair)
        assert found is not None
        assert found.relation == "shot"
        assert found.score < 0


def test_how_far_parts_moved_is_said_in_pixels() -> None:
    still = measure_parallax(place(take_shot(0), encode(take_shot(0))))
    moved = measure_parallax(place(take_shot(0), encode(take_shot(1.0))))
    further = measure_parallax(place(take_shot(0), encode(take_shot(2.0))))
    assert still is not None
    assert moved is not None
    assert further is not None
    assert still.moved < 0.05 < 0.25 < moved.moved < further.moved < 2
    assert (still.is_clear, moved.is_clear, further.is_clear) == (False, True, True)


def test_what_moves_without_a_camera_counts_too() -> None:
    """Leaves in the wind: each part of the picture moves in its own direction."""
    drawn = np.random.default_rng(3).normal(0, 1, (9, 12, 2)).astype(np.float32)
    moves = cv2.resize(drawn, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    down, across = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    picture = take_shot(0)
    blown = cv2.remap(picture, across + moves[..., 0], down + moves[..., 1], cv2.INTER_CUBIC)
    found = measure_parallax(place(picture, blown.astype(np.uint8)))
    assert found is not None
    assert found.is_clear


def test_blocks_are_found_to_some_hundredths_of_a_pixel() -> None:
    matrix = np.array([[1, 0, 1.3], [0, 1, -0.4], [0, 0, 1]])
    first, second = (
        np.asarray(one, dtype=np.float32)
        for one in (take_shot(0)[..., 1], warp(take_shot(0), matrix)[..., 1])
    )
    blocks = find_blocks(first, second, np.ones(first.shape, dtype=np.bool_))
    assert blocks is not None
    assert len(blocks.places) > 500
    assert blocks.share > 0.95
    missed = blocks.found - blocks.places - np.array([1.3, -0.4])
    # OpenCV 4.10 is a little further off than OpenCV 5.
    assert np.median(np.hypot(*missed.T)) < 0.08


def test_stripes_and_flat_pictures_have_no_blocks() -> None:
    inside = np.ones((HEIGHT, WIDTH), dtype=np.bool_)
    flat = np.full((HEIGHT, WIDTH), 90, dtype=np.float32)
    assert find_blocks(flat, flat, inside) is None
    across = np.arange(WIDTH, dtype=np.float32)
    stripes = np.tile(128 + 60 * np.sin(across / 3), (HEIGHT, 1)).astype(np.float32)
    assert find_blocks(stripes, stripes, inside) is None


def test_little_says_nothing() -> None:
    one, other = take_shot(0), take_shot(2.0)
    assert measure_parallax(place(one[:80, :80], other[:80, :80])) is None
    # Few of the blocks of different pictures are found.
    assert measure_parallax(place(one, take_shot(0, seed=9)[::-1])) is None


def test_without_a_map_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "findHomography", lambda *args, **options: (None, None))
    assert measure_parallax(place(take_shot(0), take_shot(2.0))) is None
