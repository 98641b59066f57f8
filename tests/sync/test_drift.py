"""How rows and records differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.indexed.rows import batches
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync.drift import rows_to_request
from tests.fixtures import product
from tests.testapp.models import Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

PHOTO = indexed_field(Product, "photo")


def test_rows_that_changed_without_a_request(
    recorder: RecorderCollection, rows: list[Product]
) -> None:
    product(1)  # waits, and needs no second request
    with sync_paused():
        Product.objects.filter(pk=rows[1].pk).update(photo="products/other.png")
        new = product(2)
    walked = batches(PHOTO, using="default", size=2)
    drifted = [
        row.key for batch in rows_to_request(PHOTO, walked, using="default") for row in batch
    ]
    assert drifted == [rows[1].pk, new.pk]
