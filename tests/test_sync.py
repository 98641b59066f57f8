"""One record → its collection, whatever comes in between."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from django_visualsnoop import sync
from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ImageRefusedError,
    RateLimitedError,
    ServerError,
    TransportError,
)
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync import bring_home, sweep
from tests.collections.contract import image
from tests.fixtures import grow_old, lose, picture, product, record_of
from tests.testapp.models import Article, Document, Listing, Product

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

State = SyncRecord.State


def image_id(row: Product) -> str:
    return f"testapp.product.photo:{row.pk}"


def test_an_image_is_added(recorder: RecorderCollection) -> None:
    row = product(1)
    assert sweep(using="default").agreed == 1
    assert recorder.images == {image_id(row): image(1)}
    record = record_of(row)
    assert record.state == State.AGREES
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
    assert record_of(row).state == State.AGREES


def test_records_go_to_their_own_collection(recorder: RecorderCollection) -> None:
    Document.objects.create(code="A-1", scan=picture())
    sweep(using="default")
    assert recorder.images == {}
    assert list(RecorderCollection("archive", {}).images) == ["scan/A-1"]


@pytest.mark.usefixtures("recorder")
@pytest.mark.django_db(databases=["default", "other"])
def test_records_of_another_database() -> None:
    Product.objects.using("other").create(photo=picture())
    assert sweep(using="default").agreed == 0
    assert sweep(using="other").agreed == 1


def test_a_record_that_agrees_is_left_alone(recorder: RecorderCollection) -> None:
    row = product()
    sweep(using="default")
    calls = len(recorder.calls)
    assert bring_home([record_of(row).pk], using="default").worked_on == 0
    assert len(recorder.calls) == calls


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("bulk", [True, False])
def test_a_condition_that_turns_while_a_worker_has_read_the_row_is_not_lost(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch, published: bool, bulk: bool
) -> None:
    row = Listing.objects.create(photo=picture(1), published=published)
    sweep(using="default")
    # Nothing is said of the condition, so the wish assumes that the image is wanted.
    if bulk:
        Listing.objects.update(photo=row.photo.name)
    else:
        row.photo = picture(2)
        row.save(update_fields=["photo"])
    wished_at = record_of(row).wished_at
    read_rows = sync._Batch._read_rows

    def interfering(batch: Any, images: Any) -> None:
        read_rows(batch, images)
        changed = Listing.objects.get(pk=row.pk)
        if changed.published is published:
            changed.published = not published
            changed.save()

    monkeypatch.setattr(sync._Batch, "_read_rows", interfering)
    bring_home([record_of(row).pk], using="default")
    assert len(recorder.images) == (not published)
    record = record_of(row)
    assert (record.state, record.wanted) == (State.AGREES, not published)
    assert published or record.wished_at == wished_at


def test_a_save_that_turns_nothing_keeps_a_failure_waiting(recorder: RecorderCollection) -> None:
    row = Listing.objects.create(photo=picture(1))
    with recorder.failing(ServerError("busy")):
        sweep(using="default")
    before = record_of(row)
    Listing.objects.get(pk=row.pk).save()
    record = record_of(row)
    assert record.generation != before.generation
    for name in ("wished_at", "due_at", "attempts", "reason_code", "reason"):
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
    bring_home([record_of(row).pk], using="default")
    assert recorder.images == {image_id(row): image(2)}
    assert record_of(row).state == State.AGREES


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
    bring_home([record_id], using="default")
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
    outcome = bring_home([record_of(row).pk], using="default")
    assert list(outcome.later.values()) == [[str(record_of(row).pk)]]
    monkeypatch.undo()
    assert sweep(using="default").agreed == 1


def test_a_claimed_record_is_left_to_its_worker(recorder: RecorderCollection) -> None:
    row = product()
    until = timezone.now() + timedelta(seconds=40)
    SyncRecord.objects.update(lease=1, leased_until=until)
    outcome = bring_home([record_of(row).pk], using="default")
    assert outcome.worked_on == 0
    assert recorder.calls == []
    ((delay, ids),) = outcome.later.items()  # in case that worker dies
    assert 30 < delay <= 40
    assert ids == [str(record_of(row).pk)]
    assert sweep(using="default").worked_on == 0


def test_the_claim_of_a_dead_worker_runs_out(recorder: RecorderCollection) -> None:
    row = product(1)
    SyncRecord.objects.update(lease=1, leased_until=timezone.now() - timedelta(seconds=1))
    assert sweep(using="default").agreed == 1
    assert recorder.images == {image_id(row): image(1)}


def test_a_worker_that_lost_its_claim_does_not_have_the_last_word(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    add_image = RecorderCollection.add_image

    def overtaken(self: RecorderCollection, *args: Any, **kwargs: Any) -> Any:
        SyncRecord.objects.update(lease=1, leased_until=timezone.now() + timedelta(seconds=60))
        return add_image(self, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", overtaken)
    before = record_of(row).generation
    bring_home([record_of(row).pk], using="default")
    record = record_of(row)
    assert record.generation != before
    assert record.state == State.WAITING


def test_a_worker_that_lost_its_claim_leaves_no_picture_of_a_row_that_is_gone(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    add_image = RecorderCollection.add_image

    def overtaken(self: RecorderCollection, *args: Any, **kwargs: Any) -> Any:
        Product.objects.filter(pk=row.pk).delete()
        SyncRecord.objects.all().delete()  # as another worker does, once the image is deleted
        return add_image(self, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", overtaken)
    bring_home([record_of(row).pk], using="default")
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
    assert bring_home([record.pk], using="default").agreed == 1
    assert recorder.images == {image_id(row): image(1)}
    record = record_of(row)
    assert (record.attempts, record.reason) == (0, "")


def test_the_wait_that_the_service_asked_for_is_kept(recorder: RecorderCollection) -> None:
    product()
    with recorder.failing(RateLimitedError("slow down", status=429, retry_after=600.0)):
        outcome = sweep(using="default")
    assert list(outcome.later) == [600.0]


@pytest.mark.parametrize("reason", ["undecodable", "too_large", "unsupported", "empty"])
def test_a_refused_image_is_parked_until_it_changes(
    recorder: RecorderCollection, reason: str
) -> None:
    row = product(1)
    sweep(using="default")
    row.photo = picture(2)
    row.save()
    grow_old()
    recorder.fail_with(ImageRefusedError("It is no picture.", reason=reason))
    outcome = sweep(using="default")
    record = record_of(row)
    assert record.state == State.PARKED
    assert (record.reason_code, record.reason) == (reason, "It is no picture.")
    assert outcome.parked == {str(record.pk): "It is no picture."}
    assert recorder.images == {}  # the older picture is not found in its place
    assert sweep(using="default").worked_on == 0
    row.photo = picture(3)
    row.save()
    assert sweep(using="default").agreed == 1
    assert recorder.images == {image_id(row): image(3)}


def test_a_file_that_is_gone_is_parked(recorder: RecorderCollection) -> None:
    row = product()
    lose(row.photo)
    grow_old()
    sweep(using="default")
    record = record_of(row)
    assert record.state == State.PARKED
    assert record.reason_code == "file_missing"
    assert str(row.photo.name) in record.reason


def test_a_name_outside_the_storage_is_parked(recorder: RecorderCollection) -> None:
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
    assert record_of(row).reason == "The file has more than 1,000 bytes."


def test_an_id_too_long_is_parked_and_gone_with_its_row(recorder: RecorderCollection) -> None:
    row = Document.objects.create(code="k" * 120, scan=picture())
    sweep(using="default")
    record = record_of(row, "scan")
    assert record.state == State.PARKED
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
    assert (outcome.agreed, len(outcome.parked)) == (1, 2)
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
    assert sweep(using="default").agreed == 3
    assert set(recorder.images) == {image_id(row) for row in rows}


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


def test_an_interrupted_worker_gives_its_claim_back(
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
    assert sweep(using="default").agreed == 1


@pytest.mark.usefixtures("recorder")
def test_a_sweep_stops_at_its_limit() -> None:
    for number in range(5):
        product(number)
    assert sync.sweep(using="default", limit=2, batch_size=2).agreed == 2
    assert sync.sweep(using="default", batch_size=2).agreed == 3


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
    first = _in_thread(lambda: bring_home([record_id], using="default"))
    assert uploading.wait(10)
    row.photo = picture(2)  # while the older picture is on its way
    row.save()
    assert bring_home([record_id], using="default").worked_on == 0
    go_on.set()
    first.join(10)
    assert recorder.images == {image_id(row): image(2)}
    assert record_of(row).state == State.AGREES


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
