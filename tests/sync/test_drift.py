"""How rows and records differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.indexed.rows import IndexedRow, batches
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync.drift import Drift, drift_of, rows_to_request, without_a_row
from tests.fixtures import product, record_of
from tests.records import records
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


def row_of(record: SyncRecord, name: str | None = None, *, wanted: bool = True) -> IndexedRow:
    return IndexedRow(
        int(record.object_id), record.object_id, record.name if name is None else name, wanted
    )


#: A record in sync, and how it may differ from its row.
IN_SYNC = {"generation": 1, "applied": 1, "due_at": None, "name": "a.png"}


@pytest.mark.parametrize(
    ("columns", "name", "drift"),
    [
        ({}, "a.png", None),
        ({}, "b.png", Drift.CHANGED),
        ({}, "", Drift.CHANGED),
        ({"applied": None, "due_at": timezone.now()}, "b.png", Drift.WAITING),
        (
            {"applied": None, "due_at": timezone.now(), "reason_code": "error"},
            "b.png",
            Drift.RETRYING,
        ),
        ({"applied": None}, "a.png", Drift.FAILED),
        ({"applied": None}, "b.png", Drift.CHANGED),  # another file failed
    ],
)
def test_how_a_row_differs_from_its_record(
    columns: dict[str, Any], name: str, drift: Drift | None
) -> None:
    (record,) = records(1, **{**IN_SYNC, **columns})
    assert drift_of(PHOTO, row_of(record, name), record, "default") is drift


@pytest.mark.parametrize(
    ("recorded", "wanted", "name", "drift"),
    [
        (False, False, "", None),
        (False, True, "a.png", Drift.CHANGED),
        (True, False, "a.png", Drift.CHANGED),
    ],
)
def test_a_row_that_its_condition_refuses_has_a_record_that_says_so(
    recorded: bool, wanted: bool, name: str, drift: Drift | None
) -> None:
    (record,) = records(1, **{**IN_SYNC, "wanted": recorded, "name": name})
    assert drift_of(PHOTO, row_of(record, "a.png", wanted=wanted), record, "default") is drift


def test_a_row_without_a_picture_needs_no_record() -> None:
    (record,) = records(1, **{**IN_SYNC, "wanted": False, "name": ""})
    assert drift_of(PHOTO, row_of(record, wanted=False), record, "default") is Drift.CHANGED


def test_a_row_with_a_picture_needs_a_record() -> None:
    (record,) = records(1)
    assert drift_of(PHOTO, row_of(record, "a.png"), None, "default") is Drift.UNRECORDED
    refused = row_of(record, "a.png", wanted=False)
    assert drift_of(PHOTO, refused, None, "default") is Drift.UNRECORDED
    assert drift_of(PHOTO, row_of(record, ""), None, "default") is None


def test_an_image_id_that_the_template_no_longer_says_is_a_change() -> None:
    (record,) = records(1, **IN_SYNC)
    record.image_id = "old/0"
    assert drift_of(PHOTO, row_of(record), record, "default") is Drift.CHANGED


def test_every_drift_has_a_meaning() -> None:
    assert len({drift.meaning for drift in Drift}) == len(Drift)


def test_records_whose_row_is_gone_or_whose_key_cannot_be(recorder: RecorderCollection) -> None:
    kept = record_of(product(1))
    records(1)  # of the row 0
    SyncRecord.objects.filter(object_id="0").update(object_id="no number")
    gone, odd = *records(1), SyncRecord.objects.get(object_id="no number")
    found = without_a_row(PHOTO, [kept, gone, odd], using="default")
    assert {record.pk for record in found} == {gone.pk, odd.pk}
