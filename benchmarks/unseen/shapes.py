"""The picture bent, turned or squeezed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from edits import cropped
from overlays import BICUBIC, captioned
from PIL import Image, ImageOps
from unseen.filters import duotone
from unseen.pixels import grid, warped

if TYPE_CHECKING:
    import random


def swirled(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    across, down, far = grid(image)
    angle = dice.choice([-1, 1]) * 1.2 * np.exp(-2 * far)
    turned = (
        across * np.cos(angle) - down * np.sin(angle),
        across * np.sin(angle) + down * np.cos(angle),
    )
    return warped(image, turned[0] + image.width / 2, turned[1] + image.height / 2)


def fish_eye(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    across, down, far = grid(image)
    factor = 1 + dice.choice([-0.12, 0.25]) * far**2
    return warped(image, across * factor + image.width / 2, down * factor + image.height / 2)


def squeezed(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Squeeze a wide picture into a square, or widen one as televisions do."""
    return image.resize(dice.choice([(400, 400), (640, 360), (360, 640)]), BICUBIC)


def turned_and_cropped(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    turned = image.rotate(dice.choice([-1, 1]) * dice.uniform(20, 45), BICUBIC)
    width, height = (round(side * 0.6) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return turned.crop((left, top, left + width, top + height))


def upside_down(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return captioned(image.rotate(180), 0.25, dice)


def mirrored_and_filtered(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return duotone(cropped(ImageOps.mirror(image), 0.5, dice), None, dice)
