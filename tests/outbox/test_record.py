"""The state of a record, told by its columns and asked for in a query."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.record import records_of
from tests.records import records
from tests.testapp.models import Article, Product

pytestmark = pytest.mark.django_db(databases=["default", "other"])

State = SyncRecord.State
NOW = timezone.now()

CASES: list[tuple[dict[str, Any], SyncRecord.State]] = [
    ({"generation": 5, "applied": 5, "due_at": None}, State.IN_SYNC),
    # Once it is in sync, nothing else counts.
    ({"generation": 5, "applied": 5, "due_at": NOW, "reason_code": "error"}, State.IN_SYNC),
    ({"generation": 5, "applied": None, "due_at": NOW}, State.WAITING),
    ({"generation": 5, "applied": 4, "due_at": NOW}, State.WAITING),
    ({"generation": 5, "applied": None, "due_at": NOW, "reason_code": "error"}, State.RETRYING),
    ({"generation": 5, "applied": None, "due_at": None}, State.FAILED),
    ({"generation": 5, "applied": 4, "due_at": None, "reason_code": "error"}, State.FAILED),
]


@pytest.mark.parametrize(("columns", "state"), CASES)
def test_the_columns_tell_the_state(columns: dict[str, Any], state: SyncRecord.State) -> None:
    (record,) = records(1, **columns)
    assert record.state == state
    assert str(record).endswith(f": {state.value}")


@pytest.mark.parametrize(("columns", "state"), CASES)
def test_a_query_for_a_state_finds_what_is_in_it(
    columns: dict[str, Any], state: SyncRecord.State
) -> None:
    records(1, **columns)
    found = [one for one in State if SyncRecord.objects.filter(SyncRecord.in_state(one)).exists()]
    assert found == [state]
    in_progress = SyncRecord.objects.filter(SyncRecord.in_progress()).exists()
    assert in_progress == (state in (State.WAITING, State.RETRYING))


def test_records_of_a_field_are_no_others() -> None:
    (own,) = records(1)
    records(1, collection="archive")
    records(1, field="thumbnail")
    records(1, model="testapp.article")
    assert list(records_of(indexed_field(Product, "photo"), "default")) == [own]
    assert not records_of(indexed_field(Product, "photo"), "other").exists()
    assert not records_of(indexed_field(Article, "cover"), "default").exists()
