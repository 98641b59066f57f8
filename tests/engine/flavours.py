"""Pictures of cartons and receipts that differ in a few letters."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from pathlib import Path


def encode(picture: Image.Image, quality: int = 90, **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality, **options)
    return written.getvalue()


def draw_carton(photo: Path, flavour: str) -> Image.Image:
    """Return a photograph with a label of a few letters, about a tenth of its width."""
    picture = Image.open(photo).convert("RGB")
    picture.thumbnail((640, 640))
    size = max(picture.size) // 25
    place = picture.width // 3, picture.height // 2
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=size)
    left, top = place
    draw.rectangle((left - 6, top - 4, left + 6 * size, top + size + 8), fill="#f4f0e0")
    draw.text(place, flavour, fill="#222222", font=font)
    return picture


def draw_receipt(date: str, seed: int = 1) -> Image.Image:
    """Return a page of lines of text, all the same but for one."""
    dice = random.Random(seed)
    page = Image.new("RGB", (480, 640), "#fdfcf8")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=17)
    for line in range(22):
        words = "".join(dice.choice("abcdefghilmnoprstu  ") for _ in range(24))
        text = f"{words}  {dice.randrange(1, 90)}.{dice.randrange(100):02}"
        draw.text((36, 30 + 27 * line), date if line == 15 else text, fill="#181818", font=font)
    return page
