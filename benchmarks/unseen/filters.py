"""Filters of picture editors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from edits import encoded, resized, sepia, toned
from overlays import any_colour
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from unseen.pixels import floats_of, grid, image_of, noise

if TYPE_CHECKING:
    import random


def inverted(image: Image.Image, *_: object) -> Image.Image:
    return ImageOps.invert(image)


def duotone(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    dark = tuple(value // 3 for value in any_colour(dice))
    light = tuple(160 + value // 3 for value in any_colour(dice))
    return ImageOps.colorize(ImageOps.grayscale(image), dark, light)


def posterised(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return ImageOps.posterize(image, dice.choice([1, 2]))


def pixelated(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    cells = dice.choice([48, 64])
    small = ImageOps.contain(image, (cells, cells), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


def dithered(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    small = ImageOps.contain(image, (320, 320))
    return small.quantize(dice.choice([8, 16])).convert("RGB")


def cartoon(image: Image.Image, *_: object) -> Image.Image:
    pixels = np.asarray(image)
    smooth = pixels
    for _round in range(3):
        smooth = cv2.bilateralFilter(smooth, 9, 60, 7).astype(np.uint8)
    grey = cv2.medianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 7)
    lines = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 4)
    return Image.fromarray(
        np.where(lines[..., None] > 0, smooth // 32 * 32 + 16, 0).astype(np.uint8)
    )


def sketched(image: Image.Image, *_: object) -> Image.Image:
    grey = floats_of(image.convert("L"))
    behind = cv2.GaussianBlur(255 - grey, (0, 0), 8)
    return image_of(np.minimum(255, grey * 255 / np.maximum(1, 255 - behind))).convert("RGB")


def oil_painted(image: Image.Image, *_: object) -> Image.Image:
    return image.filter(ImageFilter.ModeFilter(9))


def local_contrast(image: Image.Image, *_: object) -> Image.Image:
    lightness, red, blue = cv2.split(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2LAB))
    evened = cv2.createCLAHE(6.0, (8, 8)).apply(lightness)
    strong = cv2.cvtColor(cv2.merge([evened, red, blue]), cv2.COLOR_LAB2RGB)
    return ImageEnhance.Color(Image.fromarray(strong.astype(np.uint8))).enhance(1.7)


def low_light(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return image_of(floats_of(toned(image, 2.2)) * 0.35 + 9 * noise(dice, (*image.size[::-1], 3)))


def film_grain(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    values = floats_of(image.convert("L"))
    return image_of(values + 38 * noise(dice, values.shape)).convert("RGB")


def motion_blurred(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    length = max(5, round(max(image.size) * 0.035))
    line = np.zeros((length, length), dtype=np.float32)
    line[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5,) * 2, dice.uniform(0, 180), 1)
    return image_of(cv2.filter2D(floats_of(image), -1, cv2.warpAffine(line, turn, line.shape)))


def light_leak(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Darken the corners strongly; let warm light in from one side."""
    across, _down, far = grid(image)
    values = floats_of(sepia(image) if dice.random() < 0.5 else image)
    values = values * np.clip(1.15 - 0.55 * far**2, 0.1, 1)[..., None]
    leak = np.clip(across * dice.choice([-1, 1]) / image.width * 2, 0, 1)[..., None]
    return image_of(values + leak * [200.0, 110.0, 40.0])


def tiny(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Make it a thumbnail, save that badly, and enlarge it again."""
    side = dice.choice([110, 150])
    quality = dice.choice([6, 10])
    content = encoded(ImageOps.contain(image, (side, side)), quality=quality)
    pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return resized(Image.fromarray(np.ascontiguousarray(pixels)), 3)
