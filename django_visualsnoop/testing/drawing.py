"""Pictures for tests, drawn by code; needs Pillow."""

from __future__ import annotations

import io
import random
from functools import cache

from PIL import Image, ImageDraw


@cache
def draw_picture(number: int) -> bytes:
    """Draw shapes over a gradient, the same for the same number and unlike those of others.

    Args:
        number: which picture.

    Returns:
        A PNG of 256 by 192 pixels.
    """
    dice = random.Random(number)  # noqa: S311 -- the same for all

    def colour() -> tuple[int, int, int]:
        return dice.randrange(256), dice.randrange(256), dice.randrange(256)

    angle = dice.randrange(360)
    gradient = Image.linear_gradient("L").rotate(angle, expand=False).resize((256, 192))
    scene = Image.composite(
        Image.new("RGB", gradient.size, colour()),
        Image.new("RGB", gradient.size, colour()),
        gradient,
    )
    draw = ImageDraw.Draw(scene)
    for _ in range(14):
        left, top = dice.randrange(-30, 236), dice.randrange(-30, 172)
        box = (left, top, left + dice.randrange(20, 120), top + dice.randrange(20, 90))
        draw_shape = dice.choice([draw.rectangle, draw.ellipse])
        draw_shape(box, fill=colour())
        draw.line((left, top, dice.randrange(256), dice.randrange(192)), fill=colour(), width=3)
    written = io.BytesIO()
    scene.save(written, "PNG")
    return written.getvalue()
