"""Rows as they come from the database."""

from __future__ import annotations

from tests.fixtures import product
from tests.testapp.models import Product


def loaded() -> Product:
    return Product.objects.get(pk=product().pk)
