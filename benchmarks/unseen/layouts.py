"""The picture laid out with other things: on pages, in collages, in frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edits import framed
from overlays import BICUBIC, WORDS, any_colour, write
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


def collage(image: Image.Image, others: Sequence[Image.Image], dice: random.Random) -> Image.Image:
    """Make it one of four, each cut to a square."""
    return _tiled([image, *dice.sample(list(others), 3)], (400, 8), "white", dice)


def nine_pictures(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Make it one of nine, each cut to a square."""
    return _tiled([image, *dice.sample(list(others), 8)], (300, 6), "black", dice)


def _tiled(
    tiles: list[Image.Image], size: tuple[int, int], colour: str, dice: random.Random
) -> Image.Image:
    """Lay a square number of pictures out, in any order.

    Args:
        tiles: the pictures.
        size: of each one's side, and of what is between two, in pixels.
        colour: of what is between.
    """
    side, gap = size
    dice.shuffle(tiles)
    columns = math.isqrt(len(tiles))
    step = side + gap
    whole = Image.new("RGB", (columns * step - gap, columns * step - gap), colour)
    for number, tile in enumerate(tiles):
        place = number % columns * step, number // columns * step
        whole.paste(ImageOps.fit(tile, (side, side), BICUBIC), place)
    return whole


def side_by_side(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    pair = [image, dice.choice(others)]
    dice.shuffle(pair)
    whole = Image.new("RGB", (1000, 460), "white")
    for number, (one, word) in enumerate(zip(pair, ("before", "after"), strict=True)):
        whole.paste(ImageOps.fit(one, (496, 400), BICUBIC), (504 * number, 60))
        write(whole, (504 * number + 20, 10), word, 36)
    return whole


def polaroid(image: Image.Image, others: Sequence[Image.Image], dice: random.Random) -> Image.Image:
    """Put it in a white card with a line below, askew and with a shadow, on a table."""
    card = Image.new("RGBA", (440, 520), "#fbfaf5")
    card.paste(ImageOps.fit(image, (400, 400), BICUBIC), (20, 20))
    write(card, (60, 440), dice.choice(WORDS), 40, "#303050")
    card = card.rotate(dice.uniform(-14, 14), BICUBIC, expand=True)
    table = ImageOps.fit(dice.choice(others), (700, 700)).filter(ImageFilter.GaussianBlur(5))
    shadow = Image.new("RGBA", card.size, (0, 0, 0, 140))
    place = (700 - card.width) // 2, (700 - card.height) // 2
    table.paste(shadow, (place[0] + 10, place[1] + 12), card.getchannel("A"))
    table.paste(card, place, card)
    return table


def slide(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Put it beside points on a slide."""
    whole = Image.new("RGB", (1280, 720), dice.choice(["#ffffff", "#10243f", "#f2efe6"]))
    ink = "#ffffff" if whole.getpixel((0, 0)) == (16, 36, 63) else "#202020"
    write(whole, (60, 40), dice.choice(WORDS).title(), 60, ink)
    for line in range(6):
        text = "• " + " ".join(dice.choice(WORDS) for _ in range(3))
        write(whole, (60, 180 + 75 * line), text, 32, ink)
    whole.paste(ImageOps.contain(image, (520, 440), BICUBIC), (700, 180))
    return whole


def news_page(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Put it on a page with columns of words and another picture."""
    page = Image.new("RGB", (1000, 1300), "#f8f6f0")
    write(page, (40, 30), "The Daily Example", 84)
    for column in range(3):
        for line in range(48):
            text = " ".join(dice.choice(WORDS) for _ in range(2))
            write(page, (40 + 320 * column, 160 + 23 * line), text, 18, "#333333")
    page.paste(ImageOps.fit(image, (610, 420), BICUBIC), (40, 180))
    page.paste(ImageOps.fit(dice.choice(others), (290, 220), BICUBIC), (680, 900))
    return page


def video_player(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Show it as a film that is paused: bars, a large triangle, a dark page around."""
    page = Image.new("RGB", (1280, 800), "#0f0f0f")
    draw = ImageDraw.Draw(page)
    page.paste(
        ImageEnhance.Brightness(ImageOps.fit(image, (860, 484), BICUBIC)).enhance(0.8), (30, 70)
    )
    draw.rectangle((30, 545, 890, 550), "#777777")
    draw.rectangle((30, 545, dice.randrange(100, 800), 550), "#ff0000")
    draw.ellipse((400, 250, 520, 370), "#000000")
    draw.polygon([(440, 275), (440, 345), (500, 310)], "white")
    for row in range(7):
        draw.rectangle((920, 70 + 100 * row, 1070, 155 + 100 * row), any_colour(dice))
        write(page, (1085, 80 + 100 * row), dice.choice(WORDS), 20, "white")
    write(page, (30, 575), " ".join(dice.choice(WORDS) for _ in range(3)), 30, "white")
    return page


def night_mode(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Show a page with it in inverted colours."""
    return ImageOps.invert(slide(image, others, dice))


def on_patterned_paper(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Frame it with stripes in two colours, and that with one."""
    width, height = image.width * 14 // 10, image.height * 14 // 10
    whole = Image.new("RGB", (width, height), any_colour(dice))
    draw = ImageDraw.Draw(whole)
    colour = any_colour(dice)
    for left in range(-height, width, 36):
        draw.line((left, 0, left + height, height), colour, 12)
    whole.paste(framed(image, 0.03, dice).resize(image.size), (image.width // 5, image.height // 5))
    return whole
