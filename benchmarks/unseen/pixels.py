"""Pictures as numbers, and places in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]


def floats_of(image: Image.Image) -> Floats:
    return np.asarray(image, dtype=np.float32)


def image_of(values: Floats) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def noise(dice: random.Random, shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng(dice.randrange(2**32)).normal(0, 1, shape).astype(np.float32)


def warped(image: Image.Image, across: Floats, down: Floats) -> Image.Image:
    """Return the picture with each pixel taken from the place given for it."""
    places = across.astype(np.float32), down.astype(np.float32)
    seen = cv2.remap(np.asarray(image), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return Image.fromarray(seen.astype(np.uint8))


def grid(image: Image.Image) -> tuple[Floats, Floats, Floats]:
    """Return x and y of each pixel from the centre, and the distance, 1 at the nearer edge."""
    down, across = np.mgrid[: image.height, : image.width].astype(np.float32)
    across, down = across - image.width / 2, down - image.height / 2
    return across, down, np.hypot(across, down) / (min(image.size) / 2)


def in_perspective(card: Floats, corners: Sequence[tuple[float, float]], behind: Floats) -> Floats:
    """Return what is behind with a card before it.

    Args:
        card: height x width x 3.
        corners: where the card's lie, the upper left one first, clockwise.
        behind: height x width x 3; it is written into.
    """
    height, width = card.shape[:2]
    start = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(start, np.array(corners, dtype=np.float32))
    return cv2.warpPerspective(
        card, matrix, behind.shape[1::-1], dst=behind, borderMode=cv2.BORDER_TRANSPARENT
    )
