"""Resize pictures to the square input of a model. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels


def resize_to_square(pixels: Pixels, size: int, *, crop: bool) -> NDArray[np.uint8]:
    """Return a picture as a square, as torchvision resizes a PIL image.

    Args:
        pixels: height x width x 3, uint8.
        size: width and height of the result, in pixels.
        crop: whether to use the largest square in the middle, or to squeeze the whole picture.

    Returns:
        ``size`` x ``size`` x 3.
    """
    height, width = pixels.shape[:2]
    box: tuple[float, float, float, float] = (0, 0, width, height)
    if crop:
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    picture = Image.fromarray(pixels)
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=box))
