"""Seeded edits that people make to pictures, in families. Each returns the bytes of a file."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Edit = Callable[[Image.Image, random.Random], Image.Image]


def encoded(image: Image.Image, kind: str = "JPEG", quality: int = 85) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, quality=quality)
    return written.getvalue()


def resized(image: Image.Image, across: float, down: float | None = None) -> Image.Image:
    size = round(image.width * across), round(image.height * (down or across))
    return image.resize(size, Image.Resampling.BICUBIC)


def cropped(image: Image.Image, keep: float, dice: random.Random) -> Image.Image:
    """Keep this share of the area, at a random place, in the picture's own shape."""
    side = keep**0.5
    width, height = round(image.width * side), round(image.height * side)
    left, top = dice.randint(0, image.width - width), dice.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def rotated(image: Image.Image, degrees: float, dice: random.Random) -> Image.Image:
    return image.rotate(
        dice.choice([-1, 1]) * degrees, Image.Resampling.BICUBIC, fillcolor=_colour(dice)
    )


def toned(image: Image.Image, exponent: float) -> Image.Image:
    table = [round(255 * (value / 255) ** exponent) for value in range(256)]
    return image.point(table * 3)


def noisy(image: Image.Image, dice: random.Random) -> Image.Image:
    noise = Image.frombytes("RGB", image.size, dice.randbytes(image.width * image.height * 3))
    return Image.blend(image, noise, 0.12)


def framed(image: Image.Image, share: float, dice: random.Random) -> Image.Image:
    return ImageOps.expand(image, round(min(image.size) * share), _colour(dice))


def letterboxed(image: Image.Image, dice: random.Random) -> Image.Image:
    side = max(image.size)
    if min(image.size) / side > 0.85:
        side = round(side * 1.25)
    colour = dice.choice(["black", "white"])
    return ImageOps.pad(image, (side, side), color=colour)


def written_on(image: Image.Image, dice: random.Random, *, words: int = 5) -> Image.Image:
    image = image.copy()
    text = " ".join(
        dice.choice(["SALE", "the best", "sunday", "2026", "wow"]) for _ in range(words)
    )
    font = ImageFont.load_default(size=max(12, image.height // 10))
    place = image.width * 0.04, image.height * dice.choice([0.06, 0.82])
    ImageDraw.Draw(image).text(
        place, text, "white", font, stroke_width=max(1, image.height // 150), stroke_fill="black"
    )
    return image


def captioned(image: Image.Image, _: random.Random) -> Image.Image:
    band = round(image.height * 0.18)
    taller = Image.new("RGB", (image.width, image.height + band), "white")
    taller.paste(image, (0, band))
    font = ImageFont.load_default(size=max(12, band // 2))
    ImageDraw.Draw(taller).text((8, band // 5), "when it is monday again", "black", font)
    return taller


def stamped(image: Image.Image, dice: random.Random) -> Image.Image:
    image = image.copy()
    side = min(image.size) // 5
    left, top = dice.choice([(8, 8), (image.width - side - 8, image.height - side - 8)])
    draw = ImageDraw.Draw(image)
    draw.ellipse((left, top, left + side, top + side), fill=_colour(dice), outline="white", width=4)
    return image


def _colour(dice: random.Random) -> tuple[int, int, int]:
    return dice.randrange(256), dice.randrange(256), dice.randrange(256)


#: By family: what is done to the picture before it is saved as JPEG of quality 85.
FAMILIES: dict[str, list[Edit]] = {
    "resize": [
        lambda image, _: resized(image, 0.5),
        lambda image, _: resized(image, 0.25),
        lambda image, _: resized(image, 1.6),
        lambda image, _: resized(image, 1.0, 0.85),
    ],
    "tone": [
        lambda image, _: ImageEnhance.Brightness(image).enhance(1.35),
        lambda image, _: ImageEnhance.Brightness(image).enhance(0.65),
        lambda image, _: ImageEnhance.Contrast(image).enhance(1.5),
        lambda image, _: toned(image, 0.6),
        lambda image, _: ImageOps.grayscale(image).convert("RGB"),
        lambda image, _: ImageEnhance.Color(image).enhance(2.0),
    ],
    "blur, noise": [
        lambda image, _: image.filter(ImageFilter.GaussianBlur(2.5)),
        lambda image, _: image.filter(ImageFilter.UnsharpMask(3, 200)),
        noisy,
    ],
    "slight crop": [
        lambda image, dice: cropped(image, 0.97, dice),
        lambda image, dice: cropped(image, 0.95, dice),
        lambda image, dice: cropped(image, 0.92, dice),
    ],
    "crop 90-70 %": [
        lambda image, dice: cropped(image, 0.9, dice),
        lambda image, dice: cropped(image, 0.8, dice),
        lambda image, dice: cropped(image, 0.7, dice),
    ],
    "rotation": [
        lambda image, dice: rotated(image, 2, dice),
        lambda image, dice: rotated(image, 5, dice),
        lambda image, dice: rotated(image, 10, dice),
    ],
    "mirror, turn": [
        lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image, _: image.transpose(Image.Transpose.ROTATE_90),
        lambda image, _: image.transpose(Image.Transpose.ROTATE_180),
    ],
    "frame": [
        lambda image, dice: framed(image, 0.04, dice),
        lambda image, dice: framed(image, 0.1, dice),
        letterboxed,
    ],
    "text, stamp": [written_on, stamped, captioned],
}
#: Saved in another way, by format and quality.
ENCODINGS = [("JPEG", 75), ("JPEG", 40), ("JPEG", 15), ("WEBP", 50)]
CHAINABLE = ["resize", "tone", "slight crop", "text, stamp", "blur, noise"]


def edited(image: Image.Image, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield the family and the file of every edit of one picture."""
    for kind, quality in ENCODINGS:
        yield "re-encoding", encoded(image, kind, quality)
    for family, edits in FAMILIES.items():
        for number, edit in enumerate(edits):
            dice = random.Random(f"{seed} {family} {number}")
            yield family, encoded(edit(image, dice))
    for number in range(3):
        dice = random.Random(f"{seed} chain {number}")
        chained = image
        for family in dice.sample(CHAINABLE, 3):
            chained = dice.choice(FAMILIES[family])(chained, dice)
        yield "three edits", encoded(chained, quality=60)
