"""Edit pictures randomly, to learn what edits change. Imports no Django.

Only the training needs it. The benchmark uses other edits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Edit = Callable[[Pixels, Generator], Pixels]


def convert_to_bytes(values: NDArray[np.floating]) -> Pixels:
    """Return values as bytes, rounded and clipped to 0 to 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def scale(pixels: Pixels, across: float, down: float) -> Pixels:
    """Return the picture with its width and height multiplied, at least 8 pixels each."""
    size = max(8, round(pixels.shape[1] * across)), max(8, round(pixels.shape[0] * down))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def shrink_to(pixels: Pixels, side: int) -> Pixels:
    """Return a picture whose longer side is at most this many pixels."""
    factor = min(1.0, side / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def reencode(pixels: Pixels, quality: int) -> Pixels:
    """Return the pixels after JPEG."""
    _, written = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), dtype=np.uint8)


def _resize(pixels: Pixels, dice: Generator) -> Pixels:
    factor = dice.uniform(0.25, 1.2)
    return scale(pixels, factor * dice.uniform(0.8, 1.25), factor)


def _change_tones(pixels: Pixels, dice: Generator) -> Pixels:
    values = (pixels / 255.0) ** np.exp(dice.uniform(-0.6, 0.6))
    values = (values - 0.5) * dice.uniform(0.6, 1.5) + 0.5 + dice.uniform(-0.15, 0.15)
    return convert_to_bytes(values * 255)


def _change_colours(pixels: Pixels, dice: Generator) -> Pixels:
    grey = pixels.mean(axis=2, keepdims=True)
    saturation = dice.choice([0.0, dice.uniform(0.2, 2.2)])
    return convert_to_bytes((grey + saturation * (pixels - grey)) * dice.uniform(0.8, 1.2, 3))


def _blur(pixels: Pixels, dice: Generator) -> Pixels:
    width = dice.uniform(0.5, 4.0)
    return cv2.GaussianBlur(pixels, (0, 0), width).astype(np.uint8)


def _add_noise(pixels: Pixels, dice: Generator) -> Pixels:
    return convert_to_bytes(pixels + dice.normal(0, dice.uniform(4, 25), pixels.shape))


def _crop(pixels: Pixels, dice: Generator) -> Pixels:
    return crop_to(pixels, dice, 0.6, 0.98)


def crop_hard(pixels: Pixels, dice: Generator) -> Pixels:
    """Keep a tenth to a half of the picture."""
    return crop_to(pixels, dice, 0.1, 0.5)


def crop_to(pixels: Pixels, dice: Generator, least: float, most: float) -> Pixels:
    """Keep a part of the picture, with about the same shape.

    Args:
        pixels: the picture.
        dice: chooses the part, and its size.
        least, most: shares of the picture's area.
    """
    side = dice.uniform(least, most) ** 0.5
    shape = np.exp(dice.uniform(-0.15, 0.15))
    height = min(pixels.shape[0], max(8, round(pixels.shape[0] * side * shape)))
    width = min(pixels.shape[1], max(8, round(pixels.shape[1] * side / shape)))
    top = dice.integers(0, pixels.shape[0] - height + 1)
    left = dice.integers(0, pixels.shape[1] - width + 1)
    return pixels[top : top + height, left : left + width]


def _tilt(pixels: Pixels, dice: Generator) -> Pixels:
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D(
        (width / 2, height / 2), dice.uniform(-14, 14), dice.uniform(1, 1.25)
    )
    return cv2.warpAffine(pixels, turn, (width, height), borderValue=choose_colour(dice)).astype(
        np.uint8
    )


def view_askew(pixels: Pixels, dice: Generator) -> Pixels:
    """Move each corner by up to a seventh of the side."""
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    moved = corners + dice.uniform(-0.14, 0.14, (4, 2)) * [width, height]
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return cv2.warpPerspective(
        pixels, matrix, (width, height), borderValue=choose_colour(dice)
    ).astype(np.uint8)


def _add_frame(pixels: Pixels, dice: Generator) -> Pixels:
    height, width = pixels.shape[:2]
    top, bottom = (round(height * share) for share in dice.uniform(0, 0.15, 2))
    left, right = (round(width * share) for share in dice.uniform(0, 0.15, 2))
    return cv2.copyMakeBorder(
        pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=choose_colour(dice)
    ).astype(np.uint8)


def _draw_over(pixels: Pixels, dice: Generator) -> Pixels:
    drawn = pixels.copy()
    height, width = drawn.shape[:2]
    for _ in range(dice.integers(1, 4)):
        place = int(dice.integers(0, width)), int(dice.integers(0, height))
        radius = int(dice.uniform(0.04, 0.15) * min(height, width))
        if dice.random() < 0.5:
            cv2.circle(drawn, place, radius, choose_colour(dice), -1, cv2.LINE_AA)
        else:
            letters = "".join(chr(letter) for letter in dice.integers(65, 91, 10))
            size = height / dice.uniform(180, 400)
            cv2.putText(
                drawn, letters, (4, place[1]), cv2.FONT_HERSHEY_DUPLEX, size, choose_colour(dice), 2
            )
    return drawn


def paste(pixels: Pixels, background: Pixels, dice: Generator) -> Pixels:
    """Paste the picture, scaled down, on another one."""
    height, width = background.shape[:2]
    factor = dice.uniform(0.35, 0.75) * min(height / pixels.shape[0], width / pixels.shape[1])
    small = scale(pixels, factor, factor)
    top = dice.integers(0, height - small.shape[0] + 1)
    left = dice.integers(0, width - small.shape[1] + 1)
    whole = background.copy()
    whole[top : top + small.shape[0], left : left + small.shape[1]] = small
    return whole


def mirror(pixels: Pixels, dice: Generator) -> Pixels:
    """Mirror the picture, or turn it by quarters."""
    turned = np.rot90(pixels, dice.integers(0, 4))
    return np.ascontiguousarray(turned[:, ::-1] if dice.random() < 0.7 else turned)


def choose_colour(dice: Generator) -> tuple[int, int, int]:
    """Return three values, 0 to 255."""
    red, green, blue = dice.integers(0, 256, 3).tolist()
    return red, green, blue


#: Edits after which most of the picture is still in its place.
MILD: list[Edit] = [
    _resize, _change_tones, _change_colours, _blur, _add_noise, _crop, _tilt, _add_frame,
    _draw_over,
]  # fmt: skip


def edit(pixels: Pixels, dice: Generator, *, most: int = 3) -> Pixels:
    """Return the picture after one to ``most`` mild edits, and JPEG."""
    for number in dice.permutation(len(MILD))[: dice.integers(1, most + 1)]:
        pixels = MILD[number](pixels, dice)
    return reencode(pixels, int(dice.integers(25, 95)))
