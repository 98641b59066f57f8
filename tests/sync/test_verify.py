"""Finding drift, and changing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage

from django_visualsnoop.client.exceptions import ServerError
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.drift import Drift
from django_visualsnoop.sync.verify import MAX_EXAMPLES, Report, verify
from tests.collections.contract import image
from tests.fixtures import grow_old, picture, product, record_of
from tests.testapp.models import Listing, Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection
    from django_visualsnoop.indexed.options import IndexedField

pytestmark = pytest.mark.django_db(databases=["default", "other"])

PHOTO = indexed_field(Product, "photo")


def image_id(row: Product) -> str:
    return f"testapp.product.photo:{row.pk}"


def found(*fields: IndexedField, leftovers: bool = False, unchanged: bool = True) -> Report:
    records = list(SyncRecord.objects.order_by("pk").values())
    report = Report()
    for _ in verify(
        "default", fields or (PHOTO,), report, using="default", batch_size=2, leftovers=leftovers
    ):
        pass
    if unchanged:
        assert list(SyncRecord.objects.order_by("pk").values()) == records
    return report


def test_no_drift(recorder: RecorderCollection, rows: list[Product]) -> None:
    report = found()
    assert not report.drift
    assert (report.rows, report.listed, report.foreign) == (3, 3, 0)


def test_it_only_reads(recorder: RecorderCollection, rows: list[Product]) -> None:
    before = len(recorder.calls)
    recorder.add_image(image(9), "testapp.product.photo:999999")
    recorder.delete_image(image_id(rows[0]))
    found(leftovers=True)
    assert {call.method for call in recorder.calls[before + 2 :]} == {"get_images"}


def test_missing(recorder: RecorderCollection, rows: list[Product]) -> None:
    recorder.delete_image(image_id(rows[1]))
    report = found()
    assert report.drift == {Drift.MISSING: 1}
    assert report.examples[Drift.MISSING] == [image_id(rows[1])]


def test_missing_without_a_record(recorder: RecorderCollection) -> None:
    with sync_paused():
        product(1)
    assert found().drift == {Drift.MISSING: 1}


def test_what_was_synced_after_the_listing_is_not_missing(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = recorder.get_images()
    product(1)

    def late(*_: object, **__: object) -> object:
        worker.sweep(using="default")
        return listed

    monkeypatch.setattr(type(recorder), "get_images", late)
    report = found(unchanged=False)
    assert recorder.images
    assert (report.rows, report.listed) == (1, 0)
    assert not report.drift


def test_unrecorded(recorder: RecorderCollection, rows: list[Product]) -> None:
    record_of(rows[0]).delete()
    assert found().drift == {Drift.UNRECORDED: 1}


def test_changed_file_without_a_request(recorder: RecorderCollection, rows: list[Product]) -> None:
    stale = Product.objects.get(pk=rows[0].pk)
    indexed = stale.photo.name
    with sync_paused():
        stale.photo = picture(5)
        stale.save()
    report = found()
    assert report.drift == {Drift.CHANGED: 1}
    assert report.examples[Drift.CHANGED] == [
        f"{image_id(stale)}: indexed {indexed}, but the row has {stale.photo.name}"
    ]


def test_file_taken_away_without_a_request(
    recorder: RecorderCollection, rows: list[Product]
) -> None:
    with sync_paused():
        Product.objects.filter(pk=rows[0].pk).update(photo="")
    assert found().drift == {Drift.CHANGED: 1, Drift.EXTRA: 1}


def test_another_id_than_the_template_says(
    recorder: RecorderCollection, rows: list[Product]
) -> None:
    SyncRecord.objects.filter(pk=record_of(rows[0]).pk).update(image_id="old/1")
    assert found().drift == {Drift.CHANGED: 1}


def test_condition_turned_without_a_request(recorder: RecorderCollection) -> None:
    Listing.objects.create(photo=picture(1))
    worker.sweep(using="default")
    with sync_paused():
        Listing.objects.update(published=False)
    report = found(indexed_field(Listing, "photo"))
    assert report.drift == {Drift.CHANGED: 1, Drift.EXTRA: 1}


def test_extra_and_orphaned(recorder: RecorderCollection, rows: list[Product]) -> None:
    with sync_paused():
        rows[0].delete()
    recorder.add_image(image(9), "testapp.product.photo:999999")
    assert found().drift == {Drift.EXTRA: 2, Drift.ORPHANED: 1}


def test_leftovers(recorder: RecorderCollection, rows: list[Product]) -> None:
    recorder.add_image(image(9), "testapp.product.old:1")
    recorder.add_image(image(9), "somebody else's")
    SyncRecord.objects.filter(pk=record_of(rows[0]).pk).update(id=uuid4(), field="old")
    record = rows[0].pk
    assert found().drift == {Drift.UNRECORDED: 1}
    report = found(leftovers=True)
    assert report.drift == {Drift.UNRECORDED: 1, Drift.EXTRA: 1, Drift.ORPHANED: 1}
    assert report.foreign == 1
    assert report.examples[Drift.ORPHANED] == [f"testapp.product.photo:{record}"]


def test_pending_requests(recorder: RecorderCollection, rows: list[Product]) -> None:
    product(1)
    assert found().drift == {Drift.WAITING: 1}
    with recorder.failing(ServerError("busy")):
        worker.sweep(using="default")
    report = found()
    assert report.drift == {Drift.RETRYING: 1}
    assert report.examples[Drift.RETRYING][0].endswith(": busy")


def test_failed(recorder: RecorderCollection, rows: list[Product]) -> None:
    bad = product(5)
    default_storage.delete(str(bad.photo.name))
    grow_old()
    worker.sweep(using="default")
    assert found().drift == {Drift.FAILED: 1}


def test_a_removal_that_waits_is_counted_once(
    recorder: RecorderCollection, rows: list[Product]
) -> None:
    rows[0].delete()
    assert found().drift == {Drift.WAITING: 1}


def test_examples_are_few(recorder: RecorderCollection) -> None:
    for _ in range(MAX_EXAMPLES + 2):
        product(1)
    report = found()
    assert report.drift[Drift.WAITING] == MAX_EXAMPLES + 2
    assert len(report.examples[Drift.WAITING]) == MAX_EXAMPLES
