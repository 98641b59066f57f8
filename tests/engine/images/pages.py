"""A page of words."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont


def page() -> Image.Image:
    """Return words, large ones, for faxes and all else."""
    image = Image.new("RGB", (300, 220), "white")
    draw = ImageDraw.Draw(image)
    draw.text((20, 60), "Invoice", fill=(120, 30, 30), font=ImageFont.load_default(60))
    draw.rectangle((240, 20, 290, 200), outline="navy", width=6)
    return image
