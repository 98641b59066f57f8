"""What a picture with transparency is laid on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from django_visualsnoop.engine.images.decode import decode
from tests.engine.images.corners import WHITE, corners, quarters
from tests.engine.pictures import BLACK as BLACK_INK
from tests.engine.pictures import CLEAR, logo, saved
from tests.engine.pictures import WHITE as WHITE_INK


def test_transparency_shows_white() -> None:
    shape = corners().convert("RGBA")
    hole = Image.new("L", shape.size, 255)
    ImageDraw.Draw(hole).rectangle((0, 0, 39, 29), fill=0)
    shape.putalpha(hole)
    grey = shape.convert("LA")
    palette = shape.quantize(16)
    for image in (shape, grey, palette):
        assert quarters(saved(image, "PNG"))[0] == WHITE
    half = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
    assert np.abs(np.subtract(quarters(saved(half, "PNG"))[0], (255, 127, 127))).max() <= 1
    keyed = Image.new("P", (40, 40), 1)
    keyed.putpalette([10, 20, 30, 200, 10, 10])
    assert quarters(saved(keyed, "GIF", transparency=1))[0] == WHITE
    assert quarters(saved(keyed, "PNG", transparency=1))[0] == WHITE
    assert quarters(saved(keyed, "GIF"))[0] == (200, 10, 10)


def test_transparency_of_a_large_picture() -> None:
    large = Image.new("RGBA", (1700, 1300), (0, 0, 0, 0))
    assert quarters(saved(large, "PNG")) == [WHITE] * 4


@pytest.mark.parametrize("ink", [WHITE_INK, BLACK_INK])
def test_logos_on_transparent_ground_show(ink: tuple[int, ...]) -> None:
    for words in ("ACME", "Globex"):
        content = saved(logo(words, ink), "PNG")
        pixels = decode(content).pixels
        assert pixels.max() == 255
        assert pixels.min() == 0
        smaller = decode(saved(logo(words, ink).resize((200, 100)), "WEBP")).pixels
        assert abs(int(smaller[0, 0, 0]) - int(pixels[0, 0, 0])) < 3


def test_a_logo_half_white_and_half_black_shows_whole() -> None:
    both = logo("White", WHITE_INK, size=(400, 400))
    ImageDraw.Draw(both).text((30, 260), "Black", fill=BLACK_INK, font=ImageFont.load_default(70))
    pixels = decode(saved(both, "PNG")).pixels
    assert pixels[0, 0].tolist() == [128] * 3
    assert {pixels[:200].max(), pixels[200:].min()} == {255, 0}


@pytest.mark.parametrize("colour", ["white", (90, 120, 160)])
def test_a_few_transparent_pixels_change_no_picture(colour: object) -> None:
    page = Image.new("RGB", (300, 200), colour)  # type: ignore[arg-type]
    draw = ImageDraw.Draw(page)
    for line in range(5):
        draw.text((10, 10 + 35 * line), "words on a page", "black", ImageFont.load_default(30))
    rounded = page.copy()
    rounded.putalpha(255)
    for x, y in ((0, 0), (290, 0), (0, 190), (290, 190)):
        rounded.paste(CLEAR, (x, y, x + 10, y + 10))
    pixels = decode(saved(rounded, "PNG")).pixels
    assert quarters(saved(rounded, "PNG")) == quarters(saved(page, "PNG"))
    assert pixels[2, 2].tolist() == [255] * 3


def test_what_is_wholly_transparent_shows_nothing() -> None:
    hidden = corners().convert("RGBA")
    hidden.putalpha(0)
    assert quarters(saved(hidden, "PNG")) == [WHITE] * 4
