"""Pausing."""

from __future__ import annotations

import pytest

from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.pausing import is_paused, sync_paused
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Product

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def test_nothing_is_written_while_paused() -> None:
    with sync_paused():
        with sync_paused():
            row = product()
        row.photo = picture(2)
        row.save()
        Product.objects.update(photo="elsewhere.png")
        assert is_paused()
    assert not is_paused()
    assert not SyncRecord.objects.exists()
    row.photo = picture(3)
    row.save()
    assert record_of(row)
