"""One record → its collection, whatever comes in between."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_visualsnoop.client.exceptions import (
    ServerError,
    TransportError,
)
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.outcome import Outcome
from django_visualsnoop.sync.worker import process_records, sweep
from django_visualsnoop.tasks import sync_records
from tests.collections.contract import image
from tests.fixtures import image_id, picture, product, record_of
from tests.testapp.models import Article, Document, Listing, Product
from tests.workers import celery_app

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

State = SyncRecord.State


def test_an_image_is_added(recorder: RecorderCollection) -> None:
    row = product(1)
    assert sweep(using="default").in_sync == 1
    assert recorder.images == {image_id(row): image(1)}
    record = record_of(row)
    assert record.state == State.IN_SYNC
    assert record.name == row.photo.name
    assert record.due_at is None
    assert record.lease is None


def test_a_replaced_image_is_updated(recorder: RecorderCollection) -> None:
    row = product(1)
    sweep(using="default")
    row.photo = picture(2)
    row.save()
    sweep(using="default")
    assert recorder.images == {image_id(row): image(2)}


@pytest.mark.parametrize("clear", ["", None])
def test_a_cleared_image_is_deleted_and_its_record_too(
    recorder: RecorderCollection, clear: Any
) -> None:
    row = Article.objects.create(cover=picture())
    sweep(using="default")
    row.cover = clear
    row.save()
    sweep(using="default")
    assert recorder.images == {}
    assert not SyncRecord.objects.exists()


def test_a_deleted_row_is_deleted(recorder: RecorderCollection) -> None:
    row = product()
    sweep(using="default")
    row.delete()
    sweep(using="default")
    assert recorder.images == {}
    assert not SyncRecord.objects.exists()


def test_a_key_that_is_used_again_has_the_new_image(recorder: RecorderCollection) -> None:
    row = product(1)
    sweep(using="default")
    key = row.pk
    row.delete()
    Product.objects.create(pk=key, photo=picture(2))
    sweep(using="default")
    assert recorder.images == {f"testapp.product.photo:{key}": image(2)}


def test_a_row_that_no_longer_wants_is_removed_and_comes_back(recorder: RecorderCollection) -> None:
    row = Listing.objects.create(photo=picture(1), published=False)
    sweep(using="default")
    assert recorder.images == {}
    row.published = True
    row.save()
    sweep(using="default")
    assert list(recorder.images.values()) == [image(1)]
    row.published = False
    row.save()
    sweep(using="default")
    assert recorder.images == {}
    assert record_of(row).state == State.IN_SYNC


def test_records_go_to_their_own_collection(recorder: RecorderCollection) -> None:
    Document.objects.create(code="A-1", scan=picture())
    sweep(using="default")
    assert recorder.images == {}
    assert list(RecorderCollection("archive", {}).images) == ["scan/A-1"]


@pytest.mark.usefixtures("recorder")
@pytest.mark.django_db(databases=["default", "other"])
def test_records_of_another_database() -> None:
    Product.objects.using("other").create(photo=picture())
    assert sweep(using="default").in_sync == 0
    assert sweep(using="other").in_sync == 1


def test_a_record_in_sync_is_skipped(recorder: RecorderCollection) -> None:
    row = product()
    sweep(using="default")
    calls = len(recorder.calls)
    assert process_records([record_of(row).pk], using="default").worked_on == 0
    assert len(recorder.calls) == calls


def test_a_save_that_turns_nothing_keeps_a_failure_waiting(recorder: RecorderCollection) -> None:
    row = Listing.objects.create(photo=picture(1))
    with recorder.failing(ServerError("busy")):
        sweep(using="default")
    before = record_of(row)
    Listing.objects.get(pk=row.pk).save()
    record = record_of(row)
    assert record.generation != before.generation
    for name in ("requested_at", "due_at", "attempts", "reason_code", "reason"):
        assert getattr(record, name) == getattr(before, name)


def test_a_row_that_never_rests_is_looked_at_later(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    add_image = RecorderCollection.add_image

    def interfering(self: RecorderCollection, *args: Any, **kwargs: Any) -> Any:
        Product.objects.update(photo="products/scene1.png")
        return add_image(self, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", interfering)
    outcome = process_records([record_of(row).pk], using="default")
    assert list(outcome.later.values()) == [[str(record_of(row).pk)]]
    monkeypatch.undo()
    assert sweep(using="default").in_sync == 1


def test_the_lease_of_a_dead_worker_expires(recorder: RecorderCollection) -> None:
    row = product(1)
    SyncRecord.objects.update(lease=1, leased_until=timezone.now() - timedelta(seconds=1))
    assert sweep(using="default").in_sync == 1
    assert recorder.images == {image_id(row): image(1)}


@pytest.mark.usefixtures("recorder")
def test_a_sweep_stops_at_its_limit() -> None:
    for number in range(5):
        product(number)
    assert worker.sweep(using="default", limit=2, batch_size=2).in_sync == 2
    assert worker.sweep(using="default", batch_size=2).in_sync == 3


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_upload_the_same_record_at_once(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    record_id = record_of(row).pk
    uploading, go_on = threading.Event(), threading.Event()
    add_image = RecorderCollection.add_image

    def slow(self: RecorderCollection, content: Any, *args: Any, **kwargs: Any) -> Any:
        if content == image(1):
            uploading.set()
            assert go_on.wait(10)
        return add_image(self, content, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", slow)
    first = _in_thread(lambda: process_records([record_id], using="default"))
    assert uploading.wait(10)
    row.photo = picture(2)  # while the older picture is on its way
    row.save()
    assert process_records([record_id], using="default").worked_on == 0
    go_on.set()
    first.join(10)
    assert recorder.images == {image_id(row): image(2)}
    assert record_of(row).state == State.IN_SYNC


def _in_thread(function: Any) -> threading.Thread:
    from django.db import connections

    def run() -> None:
        try:
            function()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


class TestOverdue:
    def overdue(self, count: int, seconds: float) -> list[Product]:
        rows = [product(number) for number in range(count)]
        due_at = timezone.now() - timedelta(seconds=seconds)
        SyncRecord.objects.update(due_at=due_at)
        return rows

    def test_who_works_takes_a_few_along(self, recorder: RecorderCollection) -> None:
        self.overdue(worker.OVERDUE_TAKEN + 5, worker.OVERDUE_AFTER + 10)
        row = product(99)
        sync_records("default", [str(record_of(row).pk)])
        assert len(recorder.images) == 1 + worker.OVERDUE_TAKEN
        sync_records("default", [])
        assert len(recorder.images) == 1 + worker.OVERDUE_TAKEN + 5

    def test_a_task_asks_once_for_them(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(1):
            worker.process_overdue(using="default")

    def test_the_sweeper_comes_first(self, recorder: RecorderCollection) -> None:
        self.overdue(2, worker.OVERDUE_AFTER - 30)
        sync_records("default", [])
        assert recorder.images == {}

    def test_nobody_takes_any_along_while_something_is_down(
        self, recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "django_visualsnoop.outbox.dispatch.dispatch_records", lambda *_, **__: True
        )
        self.overdue(2, worker.OVERDUE_AFTER + 10)
        row = product(99)
        recorder.fail_with(TransportError("down"))
        sync_records("default", [str(record_of(row).pk)])
        assert recorder.images == {}


@pytest.mark.django_db(transaction=True)
def test_a_request_that_works_eagerly_takes_none_along(recorder: RecorderCollection) -> None:
    product(1)
    SyncRecord.objects.update(due_at=timezone.now() - timedelta(seconds=worker.OVERDUE_AFTER + 10))
    with celery_app("memory://", task_always_eager=True):
        row = product(2)
    assert list(recorder.images) == [image_id(row)]


def test_a_clock_that_was_ahead_keeps_no_picture_back(recorder: RecorderCollection) -> None:
    """One record is due in an hour, after a failure; one was written a day ahead."""
    waits, ahead = product(1), product(2)
    for row, hours in ((waits, 1), (ahead, 24)):
        due = timezone.now() + timedelta(hours=hours)
        SyncRecord.objects.filter(pk=record_of(row).pk).update(due_at=due, requested_at=due)
    assert sweep(using="default").in_sync == 1
    assert record_of(ahead).state == State.IN_SYNC
    assert record_of(waits).state == State.WAITING


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_collection_gets_no_more_at_a_time_than_it_takes_well(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(RecorderCollection, "bulk_size", size)
    sizes: list[int] = []
    add_images = RecorderCollection.add_images

    def counting(self: RecorderCollection, items: Any) -> Any:
        found = list(items)
        sizes.append(len(found))
        return add_images(self, found)

    monkeypatch.setattr(RecorderCollection, "add_images", counting)
    for number in range(4):
        product(number)
    sweep(using="default")
    assert sum(sizes) == 4
    assert max(sizes) == min(size, 4)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.django_db(transaction=True)
def test_workers_are_told_when_a_condition_has_turned(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch, published: bool
) -> None:
    row = Listing.objects.create(photo=picture(1), published=published)
    sweep(using="default")
    told: list[list[str]] = []
    monkeypatch.setattr(
        "django_visualsnoop.outbox.dispatch.dispatch_records", lambda using, ids: told.append(ids)
    )
    row.published = not published
    row.save()
    assert told == [[str(record_of(row).pk)]]


@pytest.mark.django_db(databases=["default", "other"])
def test_what_is_overdue_comes_home_in_the_database_that_is_worked_on(
    recorder: RecorderCollection,
) -> None:
    row = Product.objects.using("other").create(photo=picture(1))
    product(2)
    assert worker.process_overdue(using="other").worked_on == 0
    long_ago = timezone.now() - timedelta(seconds=worker.OVERDUE_AFTER + 1)
    SyncRecord.objects.using("other").update(due_at=long_ago)
    assert worker.process_overdue(using="other").in_sync == 1
    assert recorder.images == {image_id(row): image(1)}


def test_what_is_due_is_processed_for_a_limited_time(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "DUE_TAKEN", 2)
    rows = [product(n) for n in range(1, 6)]
    later = record_of(rows[4])
    SyncRecord.objects.filter(pk=later.pk).update(due_at=timezone.now() + timedelta(minutes=1))
    outcome = Outcome()
    assert worker.process_due(using="default", seconds=0, outcome=outcome)
    assert outcome.in_sync == 2
    assert not worker.process_due(using="default", seconds=60, outcome=outcome)
    assert outcome.in_sync == 4
    assert record_of(rows[4]).state == SyncRecord.State.WAITING


def test_what_is_due_and_held_by_others_is_left_to_them(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    product(1)
    monkeypatch.setattr(worker, "process_records", lambda *_, **__: Outcome())
    assert not worker.process_due(using="default", seconds=60, outcome=Outcome())
