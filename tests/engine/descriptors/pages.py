"""Pages that are empty but for little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.engine.images.decode import Pixels

HEIGHT, WIDTH = 240, 320


def noisy(values: np.ndarray, deviation: float, seed: int) -> Pixels:
    dice = np.random.default_rng(seed)
    noise = dice.normal(0, deviation, (*values.shape[:2], 1))
    return np.clip(values + noise, 0, 255).astype(np.uint8)


def flat(*colour: int) -> Pixels:
    return np.full((HEIGHT, WIDTH, 3), colour, dtype=np.uint8)


def gradient(start: Sequence[int], end: Sequence[int]) -> Pixels:
    share = np.linspace(0, 1, HEIGHT)[:, None, None]
    line = np.array(start) * (1 - share) + np.array(end) * share
    return np.rint(np.repeat(line, WIDTH, axis=1)).astype(np.uint8)


def framed(width: int) -> Pixels:
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    ImageDraw.Draw(page).rectangle((0, 0, WIDTH - 1, HEIGHT - 1), outline="black", width=width)
    return noisy(np.asarray(page), 2, width)


def with_edge(width: int) -> Pixels:
    page = noisy(flat(250, 250, 250), 2, width)
    page[:, :width] = 60
    return page


def dusty(specks: int, seed: int) -> Pixels:
    dice = np.random.default_rng(seed)
    page = Image.fromarray(noisy(flat(248, 248, 248), 2, seed))
    draw = ImageDraw.Draw(page)
    for _ in range(specks):
        x, y, r = dice.integers((0, 0, 1), (WIDTH, HEIGHT, 3)).tolist()
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(90, 90, 90))
    return np.asarray(page)


def numbered(number: int) -> Pixels:
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(page)
    draw.text((20, 100), str(number), fill="black", font=ImageFont.load_default(10))
    return np.asarray(page)


def one_bit(speck: int) -> Pixels:
    page = Image.new("1", (WIDTH, HEIGHT), 1)
    page.putpixel((speck, speck), 0)
    return np.asarray(page.convert("RGB"))
