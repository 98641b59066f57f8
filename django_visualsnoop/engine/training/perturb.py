"""Edit pictures more heavily than ``augment``. Imports no Django.

Only the calibration is fitted to these edits, to learn how little two copies may have in common;
people make many more kinds of edits. The benchmark uses other edits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from django_visualsnoop.engine.training.augment import (
    choose_colour,
    convert_to_bytes,
    edit,
    reencode,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    #: Takes the picture, another one, and dice.
    Edit = Callable[[Pixels, Pixels, Generator], Pixels]


def _bend(pixels: Pixels, _: Pixels, dice: Generator) -> Pixels:
    """Move each part of the picture a little, in different directions."""
    height, width = pixels.shape[:2]
    nodes = int(dice.integers(2, 6))
    far = dice.uniform(0.01, 0.06) * max(height, width)
    moves = (far * dice.normal(0, 1, (nodes, nodes, 2))).astype(np.float32)
    moves = cv2.resize(moves, (width, height), interpolation=cv2.INTER_CUBIC)
    down, across = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(
        pixels,
        across + moves[..., 0],
        down + moves[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    ).astype(np.uint8)


def _recolour(pixels: Pixels, _: Pixels, dice: Generator) -> Pixels:
    """Map each brightness to another, by one curve or one per colour; curves may fall."""
    count = int(dice.integers(3, 7))
    curve = dice.uniform(0, 255, count)
    if dice.random() < 0.6:
        curve = np.sort(curve)
    apart = 0.0 if dice.random() < 0.5 else 50.0
    known = np.linspace(0, 255, count)
    table = np.empty((256, 3))
    for colour in range(3):
        own = np.clip(curve + dice.normal(0, 1, count) * apart, 0, 255)
        table[:, colour] = np.interp(np.arange(256), known, own)
    return convert_to_bytes(
        np.take_along_axis(table, pixels.reshape(-1, 3), axis=0).reshape(pixels.shape)
    )


def _add_pattern(pixels: Pixels, _: Pixels, dice: Generator) -> Pixels:
    """Lay stripes or checks over the whole picture."""
    down, across = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    angle, period = dice.uniform(0, np.pi), dice.uniform(3, 30)
    turn = 2 * np.pi / period
    waves = np.sin((across * np.cos(angle) + down * np.sin(angle)) * turn)
    if dice.random() < 0.4:
        waves *= np.sin((down * np.cos(angle) - across * np.sin(angle)) * turn)
    if dice.random() < 0.5:
        waves = np.sign(waves)
    colour = np.array(choose_colour(dice)) / 255
    return convert_to_bytes(pixels + dice.uniform(10, 45) * waves[..., None] * colour)


def _veil(pixels: Pixels, other: Pixels, dice: Generator) -> Pixels:
    """Blend in another picture, blurred."""
    veil = cv2.resize(other, (pixels.shape[1], pixels.shape[0]))
    veil = cv2.GaussianBlur(veil, (0, 0), dice.uniform(1, 25))
    share = dice.uniform(0.2, 0.5)
    return convert_to_bytes(pixels * (1 - share) + veil * share)


def _roughen(pixels: Pixels, _: Pixels, dice: Generator) -> Pixels:
    """Sharpen the picture far too much, or remove small details."""
    if dice.random() < 0.5:
        return cv2.medianBlur(pixels, int(dice.choice([3, 5, 7]))).astype(np.uint8)
    blurred = cv2.GaussianBlur(pixels, (0, 0), dice.uniform(0.8, 4))
    return convert_to_bytes(pixels + dice.uniform(1, 4) * (pixels.astype(np.float64) - blurred))


def _cover(pixels: Pixels, other: Pixels, dice: Generator) -> Pixels:
    """Cover a third to two thirds of the picture, with parts of another one or with colours."""
    height, width = pixels.shape[:2]
    cover = cv2.resize(other, (width, height))
    changed = pixels.copy()
    count = int(dice.integers(1, 5))
    share = dice.uniform(0.3, 0.65) / count
    for _ in range(count):
        high = min(height, max(4, int(height * share**0.5 * dice.uniform(0.7, 1.4))))
        wide = min(width, max(4, int(share * height * width / high)))
        top, left = dice.integers(0, height - high + 1), dice.integers(0, width - wide + 1)
        part = np.s_[top : top + high, left : left + wide]
        changed[part] = cover[part] if dice.random() < 0.5 else choose_colour(dice)
    return changed


def _perturb_mildly(pixels: Pixels, _: Pixels, dice: Generator) -> Pixels:
    return edit(pixels, dice, most=1)


_EDITS: list[Edit] = [_bend, _recolour, _add_pattern, _veil, _roughen, _cover]


def disfigure(pixels: Pixels, other: Pixels, dice: Generator) -> Iterator[Pixels]:
    """Yield the picture after each of the edits, and after two of them, or one and a mild one.

    Args:
        pixels: the picture.
        other: another picture, which may be blended in or cover parts.
        dice: chooses the amount of change.
    """
    for perturb in _EDITS:
        yield reencode(perturb(pixels, other, dice), int(dice.integers(30, 90)))
    both = [*_EDITS, _perturb_mildly]
    for number in dice.permutation(len(both))[:2]:
        pixels = both[number](pixels, other, dice)
    yield reencode(pixels, int(dice.integers(30, 90)))
