"""How the outcome of a record is written, counted, told and logged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import DataError
from django.utils import timezone

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    RateLimitedError,
    ServerError,
    TransportError,
)
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.leases import Lease
from django_visualsnoop.outbox.retry import Failure
from django_visualsnoop.sync import batch
from django_visualsnoop.sync.worker import process_records, sweep
from tests.collections.contract import image
from tests.fixtures import image_id, lose, picture, product, record_of
from tests.testapp.models import Listing, Product

pytestmark = pytest.mark.django_db

State = SyncRecord.State


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
