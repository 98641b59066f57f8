"""The status of fields: how many records are in sync, wait or failed, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import default_storage

from django_visualsnoop.client.exceptions import ServerError
from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import unrecorded, worker
from django_visualsnoop.sync.status import FieldStatus, Reason, failing, statuses
from tests.fixtures import grow_old, product, record_of
from tests.testapp.models import Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def of(field: str, model: str = "testapp.product") -> FieldStatus:
    (one,) = (s for s in statuses("default") if (s.model, s.field) == (model, field))
    return one


def broken() -> Product:
    row = product(2)
    default_storage.delete(str(row.photo.name))
    return row


def test_each_state_is_counted(recorder: RecorderCollection) -> None:
    product(1)
    gone = [broken(), broken()]
    grow_old()
    worker.sweep(using="default")
    later = product(3)
    with recorder.failing(ServerError("busy")):
        worker.sweep(using="default")
    waiting = product(4)
    Product.objects.create()
    status = of("photo")
    assert status.rows == 5
    assert (status.in_sync, status.waiting, status.retrying, status.failed) == (1, 1, 1, 2)
    assert (
        status.oldest_pending == record_of(later).requested_at
    )  # no worker will process the failed ones
    assert status.oldest_pending_age is not None
    assert 0 <= status.oldest_pending_age < 3600
    first, second = status.reasons
    assert (first.code, first.count) == ("file_missing", 2)
    assert first.image_id == min(f"testapp.product.photo:{row.pk}" for row in gone)
    assert "not in the storage" in first.reason
    assert second == Reason("server_error", 1, f"testapp.product.photo:{later.pk}", "busy")
    assert {record.object_id for record in failing("default")} == {
        str(row.pk) for row in (*gone, later)
    }
    assert waiting.pk


def test_every_field_has_a_status_of_its_own(recorder: RecorderCollection) -> None:
    product(1)
    found = {(s.model, s.field, s.collection) for s in statuses("default")}
    assert ("testapp.article", "cover", "default") in found
    assert ("testapp.document", "scan", "archive") in found
    assert len(found) == len(all_indexed_fields())
    assert of("cover", "testapp.article").rows == 0
    assert of("cover", "testapp.article").oldest_pending is None
    assert of("cover", "testapp.article").oldest_pending_age is None


def test_records_that_no_field_has_any_more_are_shown(recorder: RecorderCollection) -> None:
    product(1)
    SyncRecord.objects.update(field="old")
    assert (of("old").rows, of("old").waiting) == (None, 1)


def test_rows_of_another_database(recorder: RecorderCollection) -> None:
    product(1)
    assert all(s.rows == 0 and s.waiting == 0 for s in statuses("other"))


@pytest.mark.parametrize("rows", [1, 12])
def test_a_constant_number_of_queries(
    recorder: RecorderCollection, django_assert_num_queries: Any, rows: int
) -> None:
    for _ in range(rows):
        broken()
    worker.sweep(using="default")
    # Two for the counts of each field, one for its reasons, one for the examples of the one
    # that has any, and one for records of fields that are gone. One for the tables' names, and
    # two to find rows without a record, or four where there are records.
    with django_assert_num_queries(5 * len(all_indexed_fields()) + 2 + 1 + 1 + 1):
        statuses("default")


def test_rows_without_a_record_are_counted(recorder: RecorderCollection) -> None:
    assert of("photo").unrecorded == 0
    product(1)
    with sync_paused():
        Product.objects.bulk_create(Product(photo=f"{number}.png") for number in range(3))
    assert of("photo").unrecorded == 3
    worker.sweep(using="default")
    assert of("photo").unrecorded == 3


def test_rows_in_the_midst_count_too(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unrecorded, "SAMPLE", 1)
    product(1)
    with sync_paused():
        Product.objects.bulk_create(Product(photo=f"{number}.png") for number in range(3))
    product(1)
    assert of("photo").unrecorded == 3
