"""Rows in sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.sync import worker
from tests.fixtures import product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection
    from tests.testapp.models import Product


@pytest.fixture
def rows(recorder: RecorderCollection) -> list[Product]:
    """Three rows that are in sync."""
    made = [product(n) for n in range(1, 4)]
    worker.sweep(using="default")
    return made
