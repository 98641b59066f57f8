"""No worker and no command waits for a save while it holds what the save may want next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.requests import (
    SyncRequest,
    request_sync_skipping_locked,
    retry_failed,
)
from django_visualsnoop.sync.audit import audit
from django_visualsnoop.sync.worker import process_records, sweep
from tests.collections.contract import image
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Product
from tests.threads import in_thread

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(transaction=True)

State = SyncRecord.State


def needs_row_locks() -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("this database has one writer at a time, or cannot skip locked rows")


def test_a_worker_skips_what_is_being_requested(recorder: RecorderCollection) -> None:
    needs_row_locks()
    first, second = product(1), product(2)
    ids = [record_of(first).pk, record_of(second).pk]
    with transaction.atomic():
        second.photo = picture(3)
        second.save()
        outcome = in_thread(lambda: process_records(ids, using="default"))
        assert outcome.in_sync == 1
        first.photo = picture(4)  # the record that the worker has just finalized
        first.save()
    sweep(using="default")
    assert {record.state for record in SyncRecord.objects.all()} == {State.IN_SYNC}


def test_a_reindexing_skips_what_is_being_requested(recorder: RecorderCollection) -> None:
    needs_row_locks()
    first, second = product(1), product(2)
    sweep(using="default")
    field = indexed_field(Product, "photo")
    asked = [SyncRequest(field, str(row.pk)) for row in (first, second)]
    with transaction.atomic():
        second.photo = picture(3)
        second.save()
        written = in_thread(
            lambda: request_sync_skipping_locked(asked, using="default", dispatch=False)
        )
        assert written == [record_of(first).pk]
        first.photo = picture(4)
        first.save()


def test_retrying_skips_what_is_being_requested(recorder: RecorderCollection) -> None:
    needs_row_locks()
    first, second = product(1), product(2)
    SyncRecord.objects.update(due_at=None, reason_code="undecodable")
    with transaction.atomic():
        second.photo = picture(3)
        second.save()
        assert in_thread(lambda: retry_failed(SyncRecord.objects.all())) == 1
        first.photo = picture(4)
        first.save()


def test_nothing_is_left_out_when_nobody_is_busy(recorder: RecorderCollection) -> None:
    product(1)
    product(2)
    field = indexed_field(Product, "photo")
    asked = [SyncRequest(field, str(row.pk)) for row in Product.objects.all()]
    assert len(request_sync_skipping_locked(asked, using="default")) == 2
    assert sweep(using="default").in_sync == 2


def test_update_leaves_out_a_row_that_comes_after_it_has_looked(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would change without a request."""
    needs_row_locks()
    known = product(1)
    name = known.photo.name
    update = QuerySet.update
    made: list[Product] = []

    def late(rows: QuerySet[Product], **kwargs: Any) -> int:
        if not made:
            made.append(in_thread(lambda: product(2)))
            in_thread(lambda: sweep(using="default"))
        return update(rows, **kwargs)

    monkeypatch.setattr(QuerySet, "update", late)
    assert Product.objects.update(photo=name) == 1
    sweep(using="default")
    assert audit(using="default") == 0
    assert recorder.images[f"testapp.product.photo:{made[0].pk}"] == image(2)
