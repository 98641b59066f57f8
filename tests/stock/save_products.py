"""``python -m tests.stock.save_products COUNT``: save products in a loop, in the quickstart.

Their pictures all differ.
"""

from __future__ import annotations

import sys
from importlib import import_module

import django
from django.core.files.base import ContentFile

from tests.collections.contract import image


def main(count: int) -> None:
    django.setup()
    product = import_module("shop.models").Product
    for number in range(1, count + 1):
        photo = ContentFile(image(number), f"{number}.png")
        product(name=f"product {number}", photo=photo).save()


main(int(sys.argv[1]))
