"""Seeded edits that people make to pictures, in families. Each returns the bytes of a file."""

from __future__ import annotations

import io
import math
import random
from typing import TYPE_CHECKING

from overlays import (
    BICUBIC,
    any_colour,
    browser_screenshot,
    captioned,
    meme,
    pasted,
    phone_screenshot,
    stamped,
    watermarked,
    with_emoji,
    written_on,
)
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Edit = Callable[[Image.Image, random.Random], Image.Image]


def encoded(image: Image.Image, kind: str = "JPEG", quality: int = 85) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, quality=quality)
    return written.getvalue()


def resized(image: Image.Image, across: float, down: float | None = None) -> Image.Image:
    size = round(image.width * across), round(image.height * (down or across))
    return image.resize((max(1, size[0]), max(1, size[1])), BICUBIC)


def cropped(image: Image.Image, keep: float, dice: random.Random) -> Image.Image:
    """Keep this share of the area, at a random place, in the picture's own shape."""
    side = keep**0.5
    width, height = round(image.width * side), round(image.height * side)
    left, top = dice.randint(0, image.width - width), dice.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def rotated(image: Image.Image, degrees: float, dice: random.Random) -> Image.Image:
    """Turn the picture; its corners are lost, and others are filled."""
    degrees *= dice.choice([-1, 1])
    return image.rotate(degrees, BICUBIC, fillcolor=any_colour(dice))


def straightened(image: Image.Image, degrees: float, dice: random.Random) -> Image.Image:
    """Turn the picture and cut off all that is empty then."""
    angle = math.radians(degrees)
    shape = max(image.width / image.height, image.height / image.width)
    factor = math.cos(angle) + shape * math.sin(angle)
    turned = image.rotate(degrees * dice.choice([-1, 1]), BICUBIC)
    width, height = image.width / factor, image.height / factor
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return turned.crop((round(left), round(top), round(left + width), round(top + height)))


def toned(image: Image.Image, exponent: float) -> Image.Image:
    table = [round(255 * (value / 255) ** exponent) for value in range(256)]
    return image.point(table * 3)


def tinted(image: Image.Image, factors: Sequence[float]) -> Image.Image:
    return image.point([min(255, round(value * f)) for f in factors for value in range(256)])


def hue_shifted(image: Image.Image, by: int) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(step + by) % 256 for step in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def sepia(image: Image.Image) -> Image.Image:
    return ImageOps.colorize(ImageOps.grayscale(image), "#2a1a08", "#ffeecc")


def noisy(image: Image.Image, dice: random.Random) -> Image.Image:
    noise = Image.frombytes("RGB", image.size, dice.randbytes(image.width * image.height * 3))
    return Image.blend(image, noise, 0.12)


def framed(image: Image.Image, share: float, dice: random.Random) -> Image.Image:
    return ImageOps.expand(image, round(min(image.size) * share), any_colour(dice))


def letterboxed(image: Image.Image, dice: random.Random) -> Image.Image:
    side = max(image.size)
    if min(image.size) / side > 0.85:
        side = round(side * 1.25)
    return ImageOps.pad(image, (side, side), color=dice.choice(["black", "white"]))


def blurred_bars(image: Image.Image, _: random.Random) -> Image.Image:
    """Make it a square, with the blurred picture itself at the sides."""
    side = round(max(image.size) * 1.2)
    behind = image.resize((side, side)).filter(ImageFilter.GaussianBlur(side / 30))
    behind.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return behind


def askew(image: Image.Image, share: float, dice: random.Random) -> Image.Image:
    """Take the picture as if photographed from aside: its corners move inwards."""
    width, height = image.size

    def inwards(place: tuple[int, int]) -> tuple[float, float]:
        x, y = (dice.uniform(0, share) for _ in range(2))
        return (
            place[0] + (x if place[0] == 0 else -x) * width,
            place[1] + (y if place[1] == 0 else -y) * height,
        )

    corners = [(0, 0), (0, height), (width, height), (width, 0)]
    data = [value for corner in corners for value in inwards(corner)]
    return image.transform(image.size, Image.Transform.QUAD, data, BICUBIC)


#: By family: what is done to the picture before it is saved as JPEG of quality 85.
FAMILIES: dict[str, list[Edit]] = {
    "resize": [
        lambda image, _: resized(image, 0.5),
        lambda image, _: resized(image, 0.25),
        lambda image, _: resized(image, 1.6),
    ],
    "aspect": [
        lambda image, _: resized(image, 1.0, 0.8),
        lambda image, _: resized(image, 0.7, 1.0),
    ],
    "tone": [
        lambda image, _: ImageEnhance.Brightness(image).enhance(1.35),
        lambda image, _: ImageEnhance.Brightness(image).enhance(0.65),
        lambda image, _: ImageEnhance.Contrast(image).enhance(1.5),
        lambda image, _: toned(image, 0.6),
        lambda image, _: ImageOps.equalize(image),
    ],
    "colour": [
        lambda image, _: ImageOps.grayscale(image).convert("RGB"),
        lambda image, _: ImageEnhance.Color(image).enhance(2.0),
        lambda image, _: hue_shifted(image, 40),
        lambda image, _: sepia(image),
        lambda image, _: tinted(image, (1.25, 1.0, 0.75)),
    ],
    "blur, noise": [
        lambda image, _: image.filter(ImageFilter.GaussianBlur(2.5)),
        lambda image, _: image.filter(ImageFilter.UnsharpMask(3, 200)),
        lambda image, _: image.filter(ImageFilter.MedianFilter(5)),
        noisy,
    ],
    "overlay": [
        written_on,
        stamped,
        watermarked,
        lambda image, dice: with_emoji(image, 1, dice),
        lambda image, dice: with_emoji(image, 3, dice),
    ],
    "meme": [
        meme,
        lambda image, dice: captioned(image, 0.18, dice),
        lambda image, dice: captioned(meme(image, dice), 0.35, dice),
    ],
    "crop 97-90 %": [
        lambda image, dice: cropped(image, 0.97, dice),
        lambda image, dice: cropped(image, 0.93, dice),
        lambda image, dice: cropped(image, 0.9, dice),
    ],
    "crop 90-70 %": [
        lambda image, dice: cropped(image, 0.85, dice),
        lambda image, dice: cropped(image, 0.8, dice),
        lambda image, dice: cropped(image, 0.7, dice),
    ],
    "crop 50-30 %": [
        lambda image, dice: cropped(image, 0.5, dice),
        lambda image, dice: cropped(image, 0.4, dice),
        lambda image, dice: cropped(image, 0.3, dice),
    ],
    "rotation 2-15": [
        lambda image, dice: rotated(image, 2, dice),
        lambda image, dice: rotated(image, 8, dice),
        lambda image, dice: rotated(image, 15, dice),
        lambda image, dice: straightened(image, 5, dice),
        lambda image, dice: straightened(image, 10, dice),
    ],
    "quarter turn": [
        lambda image, _: image.transpose(Image.Transpose.ROTATE_90),
        lambda image, _: image.transpose(Image.Transpose.ROTATE_180),
        lambda image, _: image.transpose(Image.Transpose.ROTATE_270),
    ],
    "mirror": [
        lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image, _: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        lambda image, dice: cropped(ImageOps.mirror(image), 0.8, dice),
    ],
    "frame": [
        lambda image, dice: framed(image, 0.04, dice),
        lambda image, dice: framed(image, 0.12, dice),
        letterboxed,
        blurred_bars,
    ],
    "screenshot": [phone_screenshot, phone_screenshot, browser_screenshot],
    "perspective": [
        lambda image, dice: askew(image, 0.1, dice),
        lambda image, dice: askew(image, 0.2, dice),
    ],
}
#: What share of another picture the pasted one takes.
PASTED = (0.5, 0.35, 0.25)
#: Saved in another way, by format and quality.
ENCODINGS = [("JPEG", 75), ("JPEG", 40), ("JPEG", 15), ("WEBP", 50)]


def edited(
    image: Image.Image, seed: str, others: Sequence[Image.Image] = ()
) -> Iterator[tuple[str, bytes]]:
    """Yield the family and the file of every edit of one picture.

    Args:
        image: RGB.
        seed: of all dice.
        others: pictures onto which to paste it; none if empty.
    """
    for kind, quality in ENCODINGS:
        yield "re-encoding", encoded(image, kind, quality)
    for family, edits in FAMILIES.items():
        for number, edit in enumerate(edits):
            dice = random.Random(f"{seed} {family} {number}")
            yield family, encoded(edit(image, dice))
    for share in PASTED if others else ():
        dice = random.Random(f"{seed} pasted {share}")
        yield "in a picture", encoded(pasted(image, dice.choice(others), share, dice))
    for number in range(4):
        dice = random.Random(f"{seed} chain {number}")
        chained = image
        for family in dice.sample(sorted(FAMILIES), 3):
            chained = dice.choice(FAMILIES[family])(chained, dice)
        yield "three edits", encoded(chained, quality=60)
