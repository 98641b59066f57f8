"""The picture photographed again, printed, or copied."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from edits import resized
from overlays import BICUBIC
from PIL import Image, ImageFilter
from unseen.pixels import floats_of, grid, image_of, in_perspective, noise

if TYPE_CHECKING:
    import random


def screen_photographed(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Show the picture on a screen with visible pixels, seen from aside, with glare."""
    shown = floats_of(resized(image, 640 / max(image.size)))
    lines = np.arange(shown.shape[0])[:, None, None], np.arange(shown.shape[1])[None, :, None]
    angle = dice.uniform(0.9, 1.1)
    shown *= 0.85 + 0.15 * np.sin(lines[0] * 2.1 * angle) * np.sin(lines[1] * 2.2 * angle)
    height, width = shown.shape[:2]
    desk = np.full((height * 3 // 2, width * 3 // 2, 3), dice.uniform(20, 90), dtype=np.float32)
    moved = [
        (x * 1.25 + width * dice.uniform(0.05, 0.2), y * 1.25 + height * dice.uniform(0.05, 0.2))
        for x, y in ((0, 0), (width, 0), (width, height), (0, height))
    ]
    seen = in_perspective(shown, moved, desk)
    across, down, _far = grid(image_of(seen))
    glare = np.exp(-(((across - 90) / 120) ** 2 + ((down + 60) / 80) ** 2))
    return image_of(seen + 130 * glare[..., None] + 4 * noise(dice, seen.shape))


def printed(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Print in dots on yellowish paper, scan a little askew."""
    grey = floats_of(resized(image, 900 / max(image.size)).convert("L"))
    down, across = np.mgrid[: grey.shape[0], : grey.shape[1]]
    angle = dice.uniform(0.3, 1.2)
    step = 2 * math.pi / 6
    one = np.sin((across * math.cos(angle) + down * math.sin(angle)) * step)
    other = np.sin((across * math.sin(angle) - down * math.cos(angle)) * step)
    dots = np.where(grey + 60 * one * other > 128, 245.0, 25.0)
    paper = image_of(np.stack([dots, dots * 0.97, dots * 0.88], axis=-1))
    paper = paper.filter(ImageFilter.GaussianBlur(1.2))
    return resized(paper.rotate(dice.uniform(-3, 3), BICUBIC, fillcolor="white"), 0.6)


def photocopied(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    grey = floats_of(image.convert("L").filter(ImageFilter.GaussianBlur(1)))
    return image_of(128 + (grey - np.median(grey)) * 3 + 12 * noise(dice, grey.shape)).convert(
        "RGB"
    )
