"""A picture whose corners tell how it lies."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from django_visualsnoop.engine.images.decode import decode

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (40, 40, 210), (255, 255, 255)


def corners(width: int = 80, height: int = 60) -> Image.Image:
    """Draw red, green, blue and white quarters: no turn or mirroring looks the same."""
    image = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill=RED)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), fill=GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), fill=BLUE)
    return image


def quarters(content: bytes) -> list[tuple[int, ...]]:
    pixels = decode(content).pixels
    height, width, _ = pixels.shape
    return [
        tuple(pixels[row, column].tolist())
        for row in (height // 4, height * 3 // 4)
        for column in (width // 4, width * 3 // 4)
    ]


def assert_corners(content: bytes, tolerance: int = 12) -> None:
    for found, expected in zip(quarters(content), [RED, GREEN, BLUE, WHITE], strict=True):
        assert np.abs(np.subtract(found, expected)).max() <= tolerance, (found, expected)
