"""Many rows, each with its own values, by one statement each."""

from __future__ import annotations

import datetime
from uuid import uuid4

import pytest
from django.utils import timezone

from django_visualsnoop.common.updates import update_each
from django_visualsnoop.models import SyncRecord
from tests.fixtures import product, record_of

pytestmark = pytest.mark.django_db


def test_each_row_gets_its_own_values_and_others_stay() -> None:
    first, second, other = (record_of(product(n)) for n in (1, 2, 3))
    when = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    rows = [
        ("ä%s'", True, when, first.pk, first.generation),
        ("", False, None, second.pk, second.generation),
        ("x", True, when, other.pk, other.generation + 1),
        ("x", True, when, uuid4(), 1),
    ]
    names = ["name", "wanted", "synced_at"]
    changed = update_each(SyncRecord, names, ["id", "generation"], rows, using="default")
    assert changed == 2
    found = {record.pk: record for record in SyncRecord.objects.all()}
    assert (found[first.pk].name, found[first.pk].synced_at) == ("ä%s'", when)
    assert (found[second.pk].wanted, found[second.pk].synced_at) == (False, None)
    assert found[other.pk].name == other.name
    assert found[first.pk].requested_at <= timezone.now()
