from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_visualsnoop.server.models import Key
from django_visualsnoop.server.tenants.key_rows import find_key

if TYPE_CHECKING:
    from django.db.models import Model

    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db


def values(row: Model) -> dict[str, object]:
    return {
        field.attname: (type(getattr(row, field.attname)), getattr(row, field.attname))
        for field in row._meta.concrete_fields
    }


def test_it_is_what_django_reads(ann: Tenant) -> None:
    now = timezone.now()
    ann.change_key(expires_at=now + timedelta(days=1), last_used_at=now, may_write=False)
    ann.limit(min_similarity=0.25, bytes_per_day=2**40, v1_finds_similar=True)
    with CaptureQueriesContext(connection) as queries:
        found = find_key(ann.public_key)
        assert found is not None
        assert found.collection.pk == ann.collection_id
    assert len(queries) == 1
    expected = Key.objects.select_related("collection").get(public_key=ann.public_key)
    assert values(found) == values(expected)
    assert values(found.collection) == values(expected.collection)
    assert found._state.db == expected._state.db
    assert not found._state.adding


def test_an_unknown_key(ann: Tenant) -> None:
    assert find_key("0" * 20) is None
    assert find_key(ann.public_key.upper() + "x") is None
