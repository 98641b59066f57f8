"""A page of words, and whether Pillow can write it as a TIFF of any kind."""

from __future__ import annotations

import PIL
from PIL import Image, ImageDraw, ImageFont

OLD_PILLOW = int(PIL.__version__.partition(".")[0]) < 13


def page() -> Image.Image:
    """Return words, large ones, for faxes and all else."""
    image = Image.new("RGB", (300, 220), "white")
    draw = ImageDraw.Draw(image)
    draw.text((20, 60), "Invoice", fill=(120, 30, 30), font=ImageFont.load_default(60))
    draw.rectangle((240, 20, 290, 200), outline="navy", width=6)
    return image
