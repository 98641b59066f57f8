"""One record → its collection, whatever comes in between."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DataError
from django.utils import timezone

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ImageRefusedError,
    RateLimitedError,
    ServerError,
    TransportError,
)
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.health import health
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.leases import Lease
from django_visualsnoop.outbox.retry import Failure
from django_visualsnoop.outbox.sweeps import SweepRun, last_sweep
from django_visualsnoop.sync import batch, worker
from django_visualsnoop.sync.batch import Batch
from django_visualsnoop.sync.outcome import Outcome
from django_visualsnoop.sync.worker import process_records, process_rewritten, sweep
from django_visualsnoop.tasks import look_again, sync_records
from tests.collections.contract import image
from tests.down import tables_gone
from tests.fixtures import grow_old, lose, picture, product, record_of
from tests.testapp.models import Article, Document, Listing, Product
from tests.workers import celery_app

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

State = SyncRecord.State


def image_id(row: Product) -> str:
    return f"testapp.product.photo:{row.pk}"


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


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("bulk", [True, False])
def test_a_condition_that_turns_while_a_worker_has_read_the_row_is_not_lost(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch, published: bool, bulk: bool
) -> None:
    row = Listing.objects.create(photo=picture(1), published=published)
    sweep(using="default")
    # Nothing is known of the condition, so the request assumes that the image is wanted.
    if bulk:
        Listing.objects.update(photo=row.photo.name)
    else:
        row.photo = picture(2)
        row.save(update_fields=["photo"])
    requested_at = record_of(row).requested_at
    read_rows = Batch._read_rows

    def interfering(batch: Any, images: Any) -> None:
        read_rows(batch, images)
        changed = Listing.objects.get(pk=row.pk)
        if changed.published is published:
            changed.published = not published
            changed.save()

    monkeypatch.setattr(Batch, "_read_rows", interfering)
    process_records([record_of(row).pk], using="default")
    assert len(recorder.images) == (not published)
    record = record_of(row)
    assert (record.state, record.wanted) == (State.IN_SYNC, not published)
    assert published or record.requested_at == requested_at


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


def test_a_change_of_mind_during_the_upload_is_not_lost(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    add_image = RecorderCollection.add_image

    def interfering(self: RecorderCollection, content: Any, *args: Any, **kwargs: Any) -> Any:
        result = add_image(self, content, *args, **kwargs)
        if content == image(1):
            changed = Product.objects.get(pk=row.pk)
            changed.photo = picture(2)
            changed.save()
        return result

    monkeypatch.setattr(RecorderCollection, "add_image", interfering)
    process_records([record_of(row).pk], using="default")
    assert recorder.images == {image_id(row): image(2)}
    assert record_of(row).state == State.IN_SYNC


def test_a_row_deleted_during_the_upload_does_not_stay(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    record_id = record_of(row).pk
    add_image = RecorderCollection.add_image

    def interfering(self: RecorderCollection, *args: Any, **kwargs: Any) -> Any:
        result = add_image(self, *args, **kwargs)
        Product.objects.all().delete()
        return result

    monkeypatch.setattr(RecorderCollection, "add_image", interfering)
    process_records([record_id], using="default")
    assert recorder.images == {}
    assert not SyncRecord.objects.exists()


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


def test_a_leased_record_is_left_to_its_worker(recorder: RecorderCollection) -> None:
    row = product()
    until = timezone.now() + timedelta(seconds=40)
    SyncRecord.objects.update(lease=1, leased_until=until)
    outcome = process_records([record_of(row).pk], using="default")
    assert outcome.worked_on == 0
    assert recorder.calls == []
    ((delay, ids),) = outcome.later.items()  # in case that worker dies
    assert 30 < delay <= 40
    assert ids == [str(record_of(row).pk)]
    assert sweep(using="default").worked_on == 0


def test_the_lease_of_a_dead_worker_expires(recorder: RecorderCollection) -> None:
    row = product(1)
    SyncRecord.objects.update(lease=1, leased_until=timezone.now() - timedelta(seconds=1))
    assert sweep(using="default").in_sync == 1
    assert recorder.images == {image_id(row): image(1)}


def test_a_worker_that_lost_its_lease_does_not_have_the_last_word(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    add_image = RecorderCollection.add_image

    def overtaken(self: RecorderCollection, *args: Any, **kwargs: Any) -> Any:
        SyncRecord.objects.update(lease=1, leased_until=timezone.now() + timedelta(seconds=60))
        return add_image(self, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", overtaken)
    before = record_of(row).generation
    process_records([record_of(row).pk], using="default")
    record = record_of(row)
    assert record.generation != before
    assert record.state == State.WAITING


def test_a_worker_that_lost_its_lease_leaves_no_picture_of_a_row_that_is_gone(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    add_image = RecorderCollection.add_image

    def overtaken(self: RecorderCollection, *args: Any, **kwargs: Any) -> Any:
        Product.objects.filter(pk=row.pk).delete()
        SyncRecord.objects.all().delete()  # as another worker does, once the image is deleted
        return add_image(self, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", overtaken)
    process_records([record_of(row).pk], using="default")
    monkeypatch.undo()
    sweep(using="default")
    assert recorder.images == {}
    assert not SyncRecord.objects.exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TransportError("refused"), "unreachable"),
        (ServerError("500", status=500), "server_error"),
        (AuthenticationError("unknown key"), "authentication"),
        (RuntimeError("bug"), "error"),
    ],
)
def test_a_passing_failure_is_tried_again(
    recorder: RecorderCollection, error: Exception, code: str
) -> None:
    row = product(1)
    with recorder.failing(error):
        outcome = sweep(using="default")
    record = record_of(row)
    assert record.state == State.RETRYING
    assert record.reason_code == code
    assert str(error) in record.reason
    assert record.attempts == 1
    assert record.due_at is not None
    assert record.due_at > timezone.now()
    assert list(outcome.later.values()) == [[str(record.pk)]]
    assert process_records([record.pk], using="default").in_sync == 1
    assert recorder.images == {image_id(row): image(1)}
    record = record_of(row)
    assert (record.attempts, record.reason) == (0, "")


def test_the_wait_that_the_service_asked_for_is_kept(recorder: RecorderCollection) -> None:
    product()
    with recorder.failing(RateLimitedError("slow down", status=429, retry_after=600.0)):
        outcome = sweep(using="default")
    assert list(outcome.later) == [600.0]


@pytest.mark.parametrize("reason", ["undecodable", "too_large", "unsupported", "empty"])
def test_a_refused_image_fails_until_it_changes(recorder: RecorderCollection, reason: str) -> None:
    row = product(1)
    sweep(using="default")
    row.photo = picture(2)
    row.save()
    grow_old()
    recorder.fail_with(ImageRefusedError("It is no picture.", reason=reason))
    outcome = sweep(using="default")
    record = record_of(row)
    assert record.state == State.FAILED
    assert (record.reason_code, record.reason) == (reason, "It is no picture.")
    assert outcome.failed == {str(record.pk): "It is no picture."}
    assert recorder.images == {}  # the older picture is not found in its place
    assert sweep(using="default").worked_on == 0
    row.photo = picture(3)
    row.save()
    assert sweep(using="default").in_sync == 1
    assert recorder.images == {image_id(row): image(3)}


def test_a_file_that_is_gone_fails(recorder: RecorderCollection) -> None:
    row = product()
    lose(row.photo)
    grow_old()
    sweep(using="default")
    record = record_of(row)
    assert record.state == State.FAILED
    assert record.reason_code == "file_missing"
    assert str(row.photo.name) in record.reason


def test_a_name_outside_the_storage_fails(recorder: RecorderCollection) -> None:
    row = product()
    Product.objects.update(photo="../../etc/passwd")
    sweep(using="default")
    assert record_of(row).reason_code == "file_refused"
    assert recorder.images == {}


def test_a_file_too_large_is_not_read_whole(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecorderCollection, "max_bytes", 1000)
    row = product()
    sweep(using="default")
    assert record_of(row).reason == "The file is larger than 1,000 bytes."


def test_an_id_too_long_fails_and_is_gone_with_its_row(recorder: RecorderCollection) -> None:
    row = Document.objects.create(code="k" * 120, scan=picture())
    sweep(using="default")
    record = record_of(row, "scan")
    assert record.state == State.FAILED
    assert record.reason_code == "invalid_image_id"
    row.delete()
    sweep(using="default")
    assert not SyncRecord.objects.exists()


def test_one_bad_image_does_not_hold_up_the_others(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecorderCollection, "bulk_size", 10)
    good, bad, gone = product(1), product(2), product(3)
    lose(bad.photo)
    default_storage.save(bad.photo.name or "", ContentFile(b""))
    lose(gone.photo)
    grow_old()
    outcome = sweep(using="default")
    assert (outcome.in_sync, len(outcome.failed)) == (1, 2)
    assert recorder.images == {image_id(good): image(1)}


def test_a_collection_that_breaks_in_bulk_is_asked_one_by_one(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecorderCollection, "bulk_size", 10)

    def broken(self: RecorderCollection, items: Any) -> Any:
        for image_id, content in items:
            yield image_id, self.add_image(content, image_id, update_existing=True)
            raise ZeroDivisionError

    monkeypatch.setattr(RecorderCollection, "add_images", broken)
    rows = [product(number) for number in range(3)]
    assert sweep(using="default").in_sync == 3
    assert set(recorder.images) == {image_id(row) for row in rows}
    # What the collection has answered to is not asked for again.
    added = [one.image_id for one in recorder.calls if one.method == "add_image"]
    assert sorted(map(str, added)) == sorted(recorder.images)
    for row in rows:
        row.photo = picture(7)
        row.save()
    assert sweep(using="default").in_sync == 3
    assert set(recorder.images.values()) == {image(7)}


def test_an_alias_that_is_not_configured_is_tried_again(settings: Settings, media: object) -> None:
    settings.VISUALSNOOP = {}
    row = Document.objects.create(code="A-1", scan=picture())
    sweep(using="default")
    record = record_of(row, "scan")
    assert record.state == State.RETRYING
    assert record.reason_code == "misconfigured"
    assert "VISUALSNOOP has no collection 'archive'" in record.reason


def test_a_record_of_unknown_code_waits_for_a_deployment(recorder: RecorderCollection) -> None:
    product()
    SyncRecord.objects.update(model="testapp.gone")
    sweep(using="default")
    record = SyncRecord.objects.get()
    assert record.state == State.RETRYING
    assert "testapp.gone.photo" in record.reason
    assert recorder.calls == []


def test_an_image_leaves_the_collection_that_its_field_has_left(
    recorder: RecorderCollection,
) -> None:
    row = product()
    sweep(using="default")
    SyncRecord.objects.update(collection="archive", generation=1)
    archive = RecorderCollection("archive", {})
    archive.add_image(image(1), image_id(row))
    SyncRecord.objects.update(due_at=timezone.now())
    sweep(using="default")
    assert archive.images == {}


def test_an_interrupted_worker_gives_its_lease_back(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product()

    def interrupted(self: object, *args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RecorderCollection, "add_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(using="default")
    monkeypatch.undo()
    assert record_of(row).lease is None
    assert sweep(using="default").in_sync == 1


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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("word", ["NUL \0", "surrogate \udce9", "cheese \U0001f9c0"])
def test_foreign_words_hold_nobody_up(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    rows = [product(number) for number in range(3)]
    read = FileSystemStorage._open  # type: ignore[attr-defined]

    def foreign(self: FileSystemStorage, name: str, mode: str = "rb") -> Any:
        if name == rows[1].photo.name:
            raise OSError(word)
        return read(self, name, mode)

    monkeypatch.setattr(FileSystemStorage, "_open", foreign)
    outcome = sweep(using="default")
    assert (outcome.in_sync, len(outcome.retrying)) == (2, 1)
    assert record_of(rows[1]).reason_code == "error"
    assert word.split()[0] in record_of(rows[1]).reason


@pytest.mark.django_db(transaction=True)
def test_a_record_that_the_database_refuses_is_finalized_alone(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that the database refuses, such as four bytes in a column of three."""
    rows = [product(number) for number in range(3)]
    finalize = Lease.finalize

    def refusing(lease: Lease, record: SyncRecord, **changes: Any) -> bool:
        if "\u2026" in changes["reason"]:
            raise DataError("Incorrect string value")
        return finalize(lease, record, **changes)

    monkeypatch.setattr(Lease, "finalize", refusing)
    monkeypatch.setattr(RecorderCollection, "bulk_size", 10)
    lose(rows[0].photo)
    monkeypatch.setattr(
        batch, "classify_error", lambda *_, **__: Failure("error", "and so on \u2026", 5.0)
    )
    outcome = sweep(using="default")
    assert (outcome.in_sync, len(outcome.retrying)) == (2, 1)
    assert record_of(rows[0]).reason == r"and so on \u2026"


def test_a_file_that_arrives_late_is_found(recorder: RecorderCollection) -> None:
    row = product(1)
    content = row.photo.read()
    row.photo.close()
    lose(row.photo)
    outcome = sweep(using="default")
    assert list(outcome.retrying.values()) == [record_of(row).reason]
    record = record_of(row)
    assert (record.state, record.reason_code) == (State.RETRYING, "file_missing")
    default_storage.save(row.photo.name or "", ContentFile(content))
    assert process_records([record.pk], using="default").in_sync == 1


def test_looks_at_a_late_file_come_to_an_end(recorder: RecorderCollection) -> None:
    row = product(1)
    lose(row.photo)
    looks = 0
    while record_of(row).state != State.FAILED:
        looks += 1
        assert looks < 6
        sweep(using="default")
        record = record_of(row)
        if record.due_at is not None:  # let so much time pass
            wait = record.due_at - timezone.now()
            SyncRecord.objects.update(
                requested_at=record.requested_at - wait, due_at=timezone.now()
            )
    assert looks == 4


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


def test_a_sweep_is_noted(recorder: RecorderCollection) -> None:
    assert last_sweep("default") is None
    product(1)
    sweep(using="default")
    run = last_sweep("default")
    assert run is not None
    assert run.worked_on == 1
    assert run.ended_at is not None
    assert run.ended_at >= run.started_at
    sweep(using="default")
    assert SweepRun.objects.get().worked_on == 0


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_cannot_be_noted_is_one_all_the_same(
    recorder: RecorderCollection, caplog: pytest.LogCaptureFixture
) -> None:
    product(1)
    with tables_gone("default", SweepRun._meta.db_table):
        assert sweep(using="default").in_sync == 1
    assert "Could not record the sweep" in caplog.text


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


def test_a_file_as_large_as_the_collection_takes_is_sent(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    size = len(image(1))
    monkeypatch.setattr(RecorderCollection, "max_bytes", size)
    sweep(using="default")
    assert record_of(row).state == State.IN_SYNC
    monkeypatch.setattr(RecorderCollection, "max_bytes", size - 1)
    row.photo = picture(1)
    row.save()
    sweep(using="default")
    assert record_of(row).reason_code == "too_large"


class TestRewrittenFiles:
    """As the usual tutorial does it: ``super().save()``, then ``image.save(self.photo.path)``."""

    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        told: list[list[str]] = []
        monkeypatch.setattr(
            "django_visualsnoop.outbox.dispatch.dispatch_look_again",
            lambda _, ids, __: told.append(ids),
        )
        return told

    def test_the_new_content_wins(
        self, recorder: RecorderCollection, told: list[list[str]]
    ) -> None:
        row, other = product(1), product(2)
        sync_records("default", [str(record_of(one).pk) for one in (row, other)])
        Path(row.photo.path).write_bytes(image(3))
        ((*ids,),) = told
        assert set(ids) == {str(record_of(one).pk) for one in (row, other)}
        calls = len(recorder.calls)
        look_again("default", ids)
        assert recorder.images == {image_id(row): image(3), image_id(other): image(2)}
        assert len(recorder.calls) == calls + 1
        assert record_of(row).state == State.IN_SYNC

    def test_only_fresh_files_are_looked_at_again(
        self, recorder: RecorderCollection, told: list[list[str]]
    ) -> None:
        row = product(1)
        hour_ago = time.time() - 3600
        os.utime(row.photo.path, (hour_ago, hour_ago))
        sync_records("default", [str(record_of(row).pk)])
        assert told == [[]]

    def test_a_file_that_is_gone_is_left_to_its_row(
        self, recorder: RecorderCollection, told: list[list[str]]
    ) -> None:
        row = product(1)
        sync_records("default", [str(record_of(row).pk)])
        lose(row.photo)
        look_again("default", told[0])
        assert record_of(row).state == State.IN_SYNC


def test_what_the_worker_has_found_out_of_a_condition_is_written_down(
    recorder: RecorderCollection,
) -> None:
    row = Listing.objects.create(photo=picture(1), published=False)
    SyncRecord.objects.update(wanted=True)
    sweep(using="default")
    record = record_of(row)
    assert (record.state, record.wanted, record.name) == (State.IN_SYNC, False, "")
    assert recorder.images == {}
    Listing.objects.filter(pk=row.pk).update(published=True)
    sweep(using="default")
    assert record_of(row).wanted


def test_a_failure_is_told_and_logged_with_all_that_is_known(
    recorder: RecorderCollection, caplog: pytest.LogCaptureFixture
) -> None:
    row = product(1)
    with recorder.failing(TransportError("connection refused")):
        outcome = sweep(using="default", limit=1)
    record = record_of(row)
    assert outcome.worked_on == 1
    assert outcome.retrying == {str(record.pk): record.reason}
    assert "connection refused" in record.reason
    (told,) = [one for one in caplog.records if one.name == "django_visualsnoop.sync.worker"]
    assert told.getMessage() == (
        f"Could not sync {image_id(row)} with collection 'default': {record.reason}"
    )
    known = {name: value for name, value in vars(told).items() if name.startswith("visualsnoop")}
    delay = known.pop("visualsnoop_retry_in")
    assert outcome.later == {delay: [str(record.pk)]}
    assert known == {
        "visualsnoop_collection": "default",
        "visualsnoop_image_id": image_id(row),
        "visualsnoop_reason": record.reason_code,
        "visualsnoop_attempts": 1,
    }


def test_work_is_what_is_in_sync_and_what_failed() -> None:
    outcome = Outcome(in_sync=4, retrying={"a": "", "b": ""}, failed={"c": ""})
    assert outcome.worked_on == 7


def test_a_row_that_cannot_be_loaded_holds_up_no_other(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Article.objects.create(thumbnail=picture(number)) for number in (1, 2, 3)]
    from_db = Article.from_db.__func__  # type: ignore[attr-defined]

    def picky(cls: type[Article], *args: Any, **kwargs: Any) -> Article:
        article: Article = from_db(cls, *args, **kwargs)
        if article.pk == rows[1].pk:
            raise OSError("the storage is away")
        return article

    with monkeypatch.context() as patched:
        patched.setattr(Article, "from_db", classmethod(picky))
        sweep(using="default")
    states = [record_of(row, "thumbnail").state for row in rows]
    assert states == [State.IN_SYNC, State.RETRYING, State.IN_SYNC]
    assert "the storage is away" in record_of(rows[1], "thumbnail").reason
    assert sorted(recorder.images.values()) == sorted([image(1), image(3)])


def test_what_can_be_no_key_is_no_row(recorder: RecorderCollection) -> None:
    row = product(1)
    (record,) = SyncRecord.objects.all()
    record.pk, record.object_id, record.image_id = uuid4(), "no number", "odd"
    record.save(force_insert=True)
    recorder.add_image(image(2), "odd")
    sweep(using="default")
    assert recorder.images == {image_id(row): image(1)}
    assert SyncRecord.objects.get().object_id == str(row.pk)


@pytest.mark.parametrize("use_tz", [True, False])
def test_it_works_with_and_without_time_zones(
    settings: Settings, recorder: RecorderCollection, use_tz: bool
) -> None:
    settings.USE_TZ, settings.TIME_ZONE = use_tz, "Europe/Berlin"
    first, old = product(1), product(2)
    day_ago = time.time() - 86_400
    os.utime(old.photo.path, (day_ago, day_ago))
    outcome = sweep(using="default")
    assert outcome.in_sync == 2
    assert outcome.fresh == [str(record_of(first).pk)]
    first.photo = picture(3)
    first.save()
    assert sweep(using="default").in_sync == 1
    assert health("default").ok


def test_a_storage_that_knows_no_times_hinders_nothing(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, name: str) -> None:
        raise NotImplementedError(name)

    row = product()
    monkeypatch.setattr(FileSystemStorage, "get_modified_time", refuse)
    outcome = sweep(using="default")
    assert outcome.in_sync == 1
    assert outcome.fresh == []
    monkeypatch.setattr(FileSystemStorage, "open", refuse)
    assert process_rewritten([str(record_of(row).pk)], using="default").worked_on == 0


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
