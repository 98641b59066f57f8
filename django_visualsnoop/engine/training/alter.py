"""Edit all of a picture lightly, or replace a part of it. Imports no Django.

Only ``relations`` needs it, to tell copies from variants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from django_visualsnoop.engine.training.augment import (
    choose_colour,
    convert_to_bytes,
    crop_to,
    reencode,
    scale,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    #: Takes the picture and dice.
    Edit = Callable[[Pixels, Generator], Pixels]
    #: Takes the picture, another one, and dice.
    Replacement = Callable[[Pixels, Pixels, Generator], Pixels]

#: The share of the pictures that become grey before they are edited: galleries have grey ones.
_GREY = 0.15


def convert_to_grey(pixels: Pixels, _: Generator | None = None) -> Pixels:
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(
        np.uint8
    )


def _crop(pixels: Pixels, dice: Generator) -> Pixels:
    return np.ascontiguousarray(crop_to(pixels, dice, 0.7, 0.98))


def _shrink(pixels: Pixels, dice: Generator) -> Pixels:
    factor = dice.uniform(0.2, 0.9)
    return scale(pixels, factor, factor)


def _mirror(pixels: Pixels, _: Generator) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def _turn(pixels: Pixels, dice: Generator) -> Pixels:
    return np.ascontiguousarray(np.rot90(pixels, dice.integers(1, 4)))


def _change_light(pixels: Pixels, dice: Generator) -> Pixels:
    return convert_to_bytes(pixels * np.exp(dice.uniform(-0.5, 0.5)))


def _change_gamma(pixels: Pixels, dice: Generator) -> Pixels:
    return convert_to_bytes(255 * (pixels / 255.0) ** np.exp(dice.uniform(-0.5, 0.5)))


def _change_contrast(pixels: Pixels, dice: Generator) -> Pixels:
    return convert_to_bytes((pixels - 128.0) * dice.uniform(0.5, 1.5) + 128)


def _tone(pixels: Pixels, dice: Generator) -> Pixels:
    grey = convert_to_grey(pixels) / 255.0
    light, dark = np.array(choose_colour(dice)), np.array(choose_colour(dice)) * 0.2
    return convert_to_bytes(dark + grey * (np.maximum(light, 140) - dark))


def _cast(pixels: Pixels, dice: Generator) -> Pixels:
    return convert_to_bytes(pixels * dice.uniform(0.75, 1.25, 3))


def _soften(pixels: Pixels, dice: Generator) -> Pixels:
    return cv2.GaussianBlur(pixels, (0, 0), dice.uniform(0.4, 1.5)).astype(np.uint8)


def _binarise(pixels: Pixels, _: Generator) -> Pixels:
    """Make the picture black and white, as scanners do."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return convert_to_grey(
        cv2.cvtColor(
            cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1], cv2.COLOR_GRAY2RGB
        ).astype(np.uint8)
    )


def _keep(pixels: Pixels, _: Generator) -> Pixels:
    return pixels


_LIGHT: list[Edit] = [
    _crop, _crop, _shrink, _mirror, _turn, _change_light, _change_gamma, _change_contrast, _tone,
    _cast, _soften, _binarise, convert_to_grey, _keep,
]  # fmt: skip


def draw_light_edits(pixels: Pixels, dice: Generator, count: int) -> Iterator[Pixels]:
    """Yield the picture after one edit of all of it, and JPEG."""
    for number in dice.integers(0, len(_LIGHT), count):
        yield reencode(_LIGHT[number](pixels, dice), int(dice.integers(40, 96)))


def turn_some_grey(pixels: Pixels, dice: Generator) -> Pixels:
    """Return the picture; some pictures turn grey."""
    return convert_to_grey(pixels) if dice.random() < _GREY else pixels


def _place(pixels: Pixels, dice: Generator) -> tuple[slice, slice]:
    """Return a part of the picture, 3 to 30 % of it."""
    height, width = pixels.shape[:2]
    side, shape = dice.uniform(0.03, 0.3) ** 0.5, np.exp(dice.uniform(-0.5, 0.5))
    high, wide = min(height, round(height * side * shape)), min(width, round(width * side / shape))
    top, left = dice.integers(0, height - high + 1), dice.integers(0, width - wide + 1)
    return np.s_[top : top + high, left : left + wide]


def _paste_part(pixels: Pixels, other: Pixels, dice: Generator) -> Pixels:
    """Replace a part by the same part of another picture."""
    changed, part = pixels.copy(), _place(pixels, dice)
    changed[part] = cv2.resize(other, pixels.shape[1::-1])[part]
    return changed


def _paste_sticker(pixels: Pixels, other: Pixels, dice: Generator) -> Pixels:
    """Lay another picture, in an ellipse, on a part."""
    changed, part = pixels.copy(), _place(pixels, dice)
    high, wide = changed[part].shape[:2]
    if min(high, wide) < 4:
        return _paste_part(pixels, other, dice)
    inside = np.zeros((high, wide), dtype=np.uint8)
    cv2.ellipse(inside, (wide // 2, high // 2), (wide // 2, high // 2), 0, 0, 360, 1, -1)
    shown = cv2.resize(other, (wide, high), interpolation=cv2.INTER_AREA)
    changed[part] = np.where(inside[..., None] > 0, shown, changed[part])
    return changed


def _replace_words(pixels: Pixels, _: Pixels, dice: Generator) -> Pixels:
    """Paint over a part in one colour, and write on it."""
    changed, part = pixels.copy(), _place(pixels, dice)
    changed[part] = (
        np.median(pixels[part], axis=(0, 1)) if dice.random() < 0.5 else choose_colour(dice)
    )
    high = changed[part].shape[0]
    for line in range(1, 1 + int(dice.integers(1, 4))):
        words = "".join(chr(letter) for letter in dice.integers(97, 123, 24))
        place = part[1].start + 3, part[0].start + line * high // 4
        cv2.putText(
            changed, words, place, cv2.FONT_HERSHEY_DUPLEX, high / 130, choose_colour(dice), 1,
            cv2.LINE_AA,
        )  # fmt: skip
    return changed


def _recolour_part(pixels: Pixels, _: Pixels, dice: Generator) -> Pixels:
    """Give a thing of one colour another one, as a garment has in a shop."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), 2)
    hues = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32)
    height, width = pixels.shape[:2]
    row = int(dice.uniform(0.25, 0.75) * height)
    column = int(dice.uniform(0.25, 0.75) * width)
    apart = np.linalg.norm(hues - hues[row, column], axis=2)
    near = (apart < dice.uniform(18, 40)).astype(np.uint8)
    _, places = cv2.connectedComponents(near)
    weight = (places == places[row, column]).astype(np.float32)
    weight = cv2.GaussianBlur(weight, (0, 0), 1.5)[..., None]
    grey = convert_to_grey(pixels).astype(np.float32)
    colour = np.array(choose_colour(dice), dtype=np.float32)
    level = max(20.0, float(grey[row, column, 0]))
    return convert_to_bytes(pixels * (1 - weight) + weight * grey / level * colour)


_REPLACEMENTS: list[Replacement] = [_paste_part, _paste_sticker, _replace_words, _recolour_part]


def draw_variants(
    pixels: Pixels, other: Pixels, dice: Generator, least: float = 8.0
) -> Iterator[Pixels]:
    """Yield the picture with a part replaced, once per way, and JPEG.

    Args:
        pixels: the picture.
        other: another picture, whose parts replace.
        dice: chooses the part.
        least: omit those that differ by fewer levels, on average, where they differ.
    """
    for replace in _REPLACEMENTS:
        changed = replace(pixels, other, dice)
        apart = np.abs(changed.astype(np.float32) - pixels).mean(axis=2)
        seen = apart > least
        if seen.mean() > 0.02 and apart[seen].mean() > 2.5 * least:
            yield reencode(changed, int(dice.integers(50, 96)))
