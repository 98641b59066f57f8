"""How the records of one collection are read, added and deleted together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from django_visualsnoop.client.exceptions import ImageRefusedError
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.batch import Batch
from django_visualsnoop.sync.worker import process_records, sweep
from tests.collections.contract import image
from tests.fixtures import grow_old, image_id, lose, picture, product, record_of
from tests.testapp.models import Article, Document, Listing, Product

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

State = SyncRecord.State


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
        for one_id, content in items:
            yield one_id, self.add_image(content, one_id, update_existing=True)
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
