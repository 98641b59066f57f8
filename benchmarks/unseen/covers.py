"""What people lay over a picture, or take away of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overlays import WORDS, any_colour, write
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

if TYPE_CHECKING:
    import random


def covered_with_words(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Write a quotation in large letters over most of it, on a darker picture."""
    image = ImageEnhance.Brightness(image).enhance(0.6)
    size = image.height // 9
    for line in range(6):
        text = " ".join(dice.choice(WORDS) for _ in range(3))
        write(image, (image.width * 0.04, image.height * (0.06 + 0.15 * line)), text, size, "white")
    return image


def stickers(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Cover it with many small signs."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _sticker in range(25):
        side = min(image.size) * dice.uniform(0.08, 0.16)
        place = dice.uniform(0, image.width - side), dice.uniform(0, image.height - side)
        points = dice.choice([3, 4, 5, 6, 8])
        circle = (place[0] + side / 2, place[1] + side / 2, side / 2)
        draw.regular_polygon(
            circle, points, dice.randrange(360), fill=any_colour(dice), outline="white"
        )
    return image


def censored(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Black out what matters, blur what is beside it."""
    image = image.copy()
    width, height = image.size
    centre = (width // 5, height // 5, width * 4 // 5, height // 2)
    image.paste(image.crop(centre).filter(ImageFilter.GaussianBlur(14)), centre[:2])
    draw = ImageDraw.Draw(image)
    for _bar in range(3):
        top = dice.uniform(0.1, 0.8) * height
        draw.rectangle((width * 0.1, top, width * dice.uniform(0.5, 0.95), top + height * 0.09), 0)
    return image


def stock_watermark(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Tile slanted words and crossing lines over all of it, as picture agencies do."""
    side = sum(image.size)
    marks = Image.new("L", (side, side))
    draw = ImageDraw.Draw(marks)
    text = dice.choice(["PREVIEW", "stockpictures.example", "SAMPLE COPY"])
    for top in range(0, side, max(20, image.height // 6)):
        for left in range(0, side, 14 * image.height // 20):
            write(marks, (left + top % 3 * 40, top), text, image.height // 14, "white")
        draw.line((0, top, side, top + side // 3), 160, 2)
    marks = marks.rotate(30).crop(
        (side // 5, side // 5, side // 5 + image.width, side // 5 + image.height)
    )
    return Image.composite(
        Image.new("RGB", image.size, "white"),
        image,
        marks.point([value * 0.6 for value in range(256)]),
    )


def cut_out(image: Image.Image, *_: object) -> Image.Image:
    """Keep an oval of it, on white."""
    mask = Image.new("L", image.size)
    width, height = image.size
    box = (width * 0.15, height * 0.12, width * 0.85, height * 0.88)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return Image.composite(image, Image.new("RGB", image.size, "white"), mask)
