"""``python -m tests.stock.save_products COUNT``: save products in a loop, in the quickstart.

The first two, "first" and "second", look alike; all others differ.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module

import django
from django.core.files.base import ContentFile
from PIL import Image

from tests.collections.contract import image


def smaller(picture: bytes) -> bytes:
    written = io.BytesIO()
    Image.open(io.BytesIO(picture)).resize((192, 144)).save(written, "PNG")
    return written.getvalue()


def main(count: int) -> None:
    django.setup()
    product = import_module("shop.models").Product
    for number in range(count):
        name = {0: "first", 1: "second"}.get(number, f"product {number}")
        content = smaller(image(0)) if number == 1 else image(number)
        product(name=name, photo=ContentFile(content, f"{number}.png")).save()


main(int(sys.argv[1]))
