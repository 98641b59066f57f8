"""Draw pictures of different things with shared surroundings or overlays. Imports no Django.

Only ``fit`` needs it: the calibration learns that a shared page, frame or watermark does not make
a copy. The benchmark uses other look-alikes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from django_visualsnoop.engine.training.augment import choose_colour

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    #: Takes a photograph, and dice that are the same for all decoys of a template.
    Template = Callable[[Pixels, Generator], Pixels]

_FONTS = [cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SIMPLEX]
#: The longer side of a decoy, in pixels.
_SIDE = 480


def _draw_words(dice: Generator, letters: int) -> str:
    return "".join(
        " " if dice.random() < 0.18 else chr(letter) for letter in dice.integers(97, 123, letters)
    )


def _write(
    pixels: Pixels, words: str, place: tuple[float, float], size: float, colour: tuple[int, ...]
) -> None:
    font = _FONTS[len(words) % len(_FONTS)]
    spot = round(place[0]), round(place[1])
    cv2.putText(pixels, words, spot, font, size, colour, max(1, round(size)), cv2.LINE_AA)


def _fit(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the middle of the picture, in the given size."""
    factor = max(width / pixels.shape[1], height / pixels.shape[0])
    size = max(width, round(pixels.shape[1] * factor)), max(height, round(pixels.shape[0] * factor))
    scaled = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return scaled[top : top + height, left : left + width].copy()


def _show_on_page(pixels: Pixels, dice: Generator) -> Pixels:
    """Show the photograph among words, lines and shapes; it takes a fifth to three quarters."""
    height, width = _SIDE, int(_SIDE * dice.uniform(0.45, 1.0))
    paper, ink = ((245,) * 3, (40,) * 3) if dice.random() < 0.6 else ((25,) * 3, (220,) * 3)
    page = np.full((height, width, 3), paper, dtype=np.uint8)
    for _ in range(dice.integers(6, 24)):
        top = dice.uniform(0, height)
        words = _draw_words(dice, int(dice.integers(5, 40)))
        _write(page, words, (dice.uniform(0, width / 2), top), dice.uniform(0.3, 1.0), ink)
    for _ in range(dice.integers(0, 8)):
        spot = int(dice.uniform(0, width)), int(dice.uniform(0, height))
        if dice.random() < 0.5:
            cv2.circle(page, spot, int(dice.uniform(5, 25)), choose_colour(dice), 2, cv2.LINE_AA)
        else:
            end = int(dice.uniform(0, width)), spot[1] + int(dice.uniform(4, 40))
            cv2.rectangle(page, spot, end, choose_colour(dice), -1)
    share = dice.uniform(0.2, 0.75)
    across = dice.uniform(max(share, 0.5), 1)
    wide, high = int(across * width), int(share / across * height)
    left, above = dice.integers(0, width - wide + 1), dice.integers(0, height - high + 1)
    page[above : above + high, left : left + wide] = _fit(pixels, wide, high)
    return page


def _add_frame(pixels: Pixels, dice: Generator) -> Pixels:
    """Put the photograph in a frame with a pattern."""
    photo = _fit(pixels, 400, int(dice.integers(260, 400)))
    wide = int(dice.uniform(0.06, 0.25) * 400)
    frame = np.full(
        (photo.shape[0] + 2 * wide, 400 + 2 * wide, 3), choose_colour(dice), dtype=np.uint8
    )
    colour, step = choose_colour(dice), int(dice.integers(12, 40))
    for row in range(0, frame.shape[0], step):
        for column in range(0, frame.shape[1], step):
            spot = column + row // step % 2 * step // 2, row
            if dice.random() < 0.9:
                cv2.circle(frame, spot, step // 3, colour, -1, cv2.LINE_AA)
    frame[wide:-wide, wide:-wide] = photo
    return frame


def _write_over(pixels: Pixels, dice: Generator) -> Pixels:
    """Write on the photograph, from one line to all over it."""
    photo = _fit(pixels, 480, int(dice.integers(300, 480)))
    colour = (255, 255, 255) if dice.random() < 0.7 else choose_colour(dice)
    lines, size = int(dice.integers(1, 7)), dice.uniform(0.8, 1.8)
    first = dice.uniform(0.1, 0.9) if lines < 3 else 0.12
    for line in range(lines):
        place = 10, photo.shape[0] * (first + 0.13 * line)
        words = _draw_words(dice, int(18 / size))
        if dice.random() < 0.7:
            _write(photo, words, (place[0] + 2, place[1] + 2), size, (0, 0, 0))
        _write(photo, words, place, size, colour)
    return photo


def _mark_all_over(pixels: Pixels, dice: Generator) -> Pixels:
    """Lay half-transparent words over the whole photograph, as picture agencies do."""
    photo = _fit(pixels, 480, int(dice.integers(300, 480)))
    marks = photo.copy()
    words, size = _draw_words(dice, int(dice.integers(6, 16))), dice.uniform(0.5, 1.2)
    for row in range(0, 480, int(dice.integers(40, 110))):
        for column in range(-row % 70, 480, int(dice.integers(150, 260))):
            _write(marks, words, (column, row), size, (255, 255, 255))
    share = dice.uniform(0.2, 0.6)
    return cv2.addWeighted(photo, 1 - share, marks, share, 0).astype(np.uint8)


def _add_signs(pixels: Pixels, dice: Generator) -> Pixels:
    """Put large coloured signs on the photograph."""
    photo = _fit(pixels, 480, int(dice.integers(300, 480)))
    for _ in range(dice.integers(1, 12)):
        radius = int(dice.uniform(12, 60))
        spot = int(dice.uniform(0, 480)), int(dice.uniform(0, photo.shape[0]))
        cv2.circle(photo, spot, radius, choose_colour(dice), -1, cv2.LINE_AA)
        for _eye in range(3):
            near = tuple(int(value + dice.uniform(-0.5, 0.5) * radius) for value in spot)
            cv2.circle(photo, near, radius // 6, choose_colour(dice), -1, cv2.LINE_AA)
    return photo


#: Ways to make pictures of different photographs alike.
TEMPLATES: list[Template] = [
    _show_on_page, _show_on_page, _add_frame, _write_over, _mark_all_over, _add_signs,
]  # fmt: skip


def draw_page_of_words(same: Generator, own: Generator) -> Pixels:
    """Draw a page of words under a head; pages of one head and layout share no other line.

    Args:
        same: dice for the head and the layout.
        own: dice for the words.
    """
    height, width = _SIDE, int(_SIDE * same.uniform(0.6, 1.3))
    page = np.full((height, width, 3), 245, dtype=np.uint8)
    size, ink = same.uniform(0.35, 0.8), (30, 30, 30)
    head = int(same.integers(0, 3))
    step = int(28 * size) + int(same.integers(2, 14))
    for line in range(height // step):
        words = _draw_words(same if line < head else own, int((width - 40) / (19 * size)))
        larger = size * 1.5 if line < head else size
        _write(page, words, (20, 30 + line * step), larger, ink)
    return page


def draw_drawing(own: Generator) -> Pixels:
    """Draw a few shapes on white, as logos have them, perhaps above a word."""
    page = np.full((360, 480, 3), 255, dtype=np.uint8)
    colour = choose_colour(own)
    for _ in range(own.integers(1, 4)):
        spot = int(own.uniform(180, 300)), int(own.uniform(110, 190))
        radius = int(own.uniform(35, 80))
        corners = int(own.integers(2, 7))
        if corners == 2:
            cv2.circle(page, spot, radius, colour, int(own.integers(6, 30)), cv2.LINE_AA)
        else:
            angles = own.uniform(0, 6.3) + np.arange(corners) * 2 * np.pi / corners
            points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + spot
            cv2.fillPoly(page, [points.astype(np.int32)], colour, cv2.LINE_AA)
    if own.random() < 0.7:
        _write(page, _draw_words(own, int(own.integers(4, 10))), (120, 310), 1.6, (30, 30, 30))
    return page
