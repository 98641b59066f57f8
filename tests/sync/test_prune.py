"""Removing what no row wants, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.client.exceptions import ServerError
from django_visualsnoop.collections import collections
from django_visualsnoop.indexed.options import IndexedField, indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.listing import Category
from django_visualsnoop.sync.prune import Pruned, prune_listing, prune_orphaned, prune_records
from django_visualsnoop.sync.reindex import Plan
from tests.collections.contract import image
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Document, Listing, Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

PHOTO = indexed_field(Product, "photo")
FOREIGN = ["7", "blog.entry.photo:1", "testapp.productphoto:1", "scan/1"]


def prune(
    *fields: IndexedField,
    leftovers: bool = False,
    plan: Plan = Plan(),  # noqa: B008 -- frozen
) -> Pruned:
    pruned = Pruned()
    for _ in prune_listing("default", fields, plan, pruned, leftovers=leftovers):
        pass
    return pruned


def put(recorder: RecorderCollection, *image_ids: str) -> None:
    for image_id in image_ids:
        recorder.add_image(image(9), image_id)


def test_only_what_no_row_wants_is_removed(recorder: RecorderCollection) -> None:
    kept, gone = product(1), product(2)
    worker.sweep(using="default")
    with sync_paused():
        gone.delete()
    assert len(recorder.images) == 2
    pruned = prune(PHOTO, plan=Plan(batch_size=1))
    assert list(recorder.images) == [f"testapp.product.photo:{kept.pk}"]
    assert (pruned.listed, pruned.images) == (2, 1)
    assert SyncRecord.objects.count() == 1


def test_another_application_keeps_its_images(recorder: RecorderCollection) -> None:
    put(recorder, *FOREIGN)
    pruned = prune(PHOTO, leftovers=True)
    assert set(recorder.images) == set(FOREIGN)
    assert pruned.left[Category.FOREIGN] == len(FOREIGN)
    assert not pruned.images


@pytest.mark.parametrize("leftovers", [False, True])
def test_ids_of_a_field_that_is_gone(recorder: RecorderCollection, leftovers: bool) -> None:
    left = {"testapp.product.old_photo:1", f"testapp.product.photo:{2**70}"}
    put(recorder, *left)
    pruned = prune(PHOTO, leftovers=leftovers)
    assert set(recorder.images) == (set() if leftovers else left)
    assert pruned.images == (2 if leftovers else 0)
    assert pruned.left[Category.LEFTOVER] == (0 if leftovers else 2)


def test_fields_that_are_not_selected_are_left_alone(recorder: RecorderCollection) -> None:
    put(recorder, "testapp.listing.photo:1")
    assert prune(PHOTO).left[Category.UNWANTED] == 1
    assert recorder.images
    prune(indexed_field(Listing, "photo"))
    assert not recorder.images


def test_what_its_condition_refuses_is_removed(recorder: RecorderCollection) -> None:
    row = Listing.objects.create(photo=picture(1))
    worker.sweep(using="default")
    with sync_paused():
        Listing.objects.update(published=False)
    prune(indexed_field(Listing, "photo"))
    assert not recorder.images
    assert not record_of(row).wanted


def test_a_row_of_another_database_keeps_its_image(recorder: RecorderCollection) -> None:
    row = Product.objects.using("other").create(photo=picture(1))
    worker.sweep(using="other")
    prune(PHOTO)
    assert list(recorder.images) == [f"testapp.product.photo:{row.pk}"]


def test_ids_of_another_database_are_left_alone(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_visualsnoop.sync import listing

    field = IndexedField(Product, "photo", "default", "{database}/{pk}", None)
    monkeypatch.setattr(listing, "all_indexed_fields", lambda: [field])
    put(recorder, "other/1", "default/1")
    pruned = prune(field)
    assert list(recorder.images) == ["other/1"]
    assert pruned.left[Category.ELSEWHERE] == 1


def test_a_dry_run_counts_and_removes_nothing(recorder: RecorderCollection) -> None:
    put(recorder, "testapp.product.photo:1", "testapp.product.old:1")
    assert prune(PHOTO, leftovers=True, plan=Plan(dry_run=True)).images == 2
    assert len(recorder.images) == 2
    assert not SyncRecord.objects.exists()


def test_an_image_that_cannot_be_removed_stops_nothing(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(recorder, "testapp.product.old:1", "testapp.product.old:2")
    delete = type(recorder).delete_image

    def delete_image(self: RecorderCollection, image_id: str) -> Any:
        if image_id.endswith("2"):
            raise ServerError("busy")
        return delete(self, image_id)

    monkeypatch.setattr(type(recorder), "delete_image", delete_image)
    pruned = prune(PHOTO, leftovers=True)
    assert list(recorder.images) == ["testapp.product.old:2"]
    assert pruned.tally.failures.shown == [("testapp.product.old:2", "busy")]


def test_records_without_a_row_go(recorder: RecorderCollection) -> None:
    kept, gone = product(1), product(2)
    worker.sweep(using="default")
    with sync_paused():
        gone.delete()
    pruned = Pruned()
    prune_records(PHOTO, Plan(batch_size=1), pruned)
    assert pruned.records == 1
    assert SyncRecord.objects.get().pk == record_of(kept).pk
    assert list(recorder.images) == [f"testapp.product.photo:{kept.pk}"]


def test_records_of_a_text_key(recorder: RecorderCollection) -> None:
    kept = Document.objects.create(code="a b/ü", scan=picture(1))
    Document.objects.create(code="b", scan=picture(2))
    worker.sweep(using="default")
    with sync_paused():
        Document.objects.filter(code="b").delete()
    pruned = Pruned()
    prune_records(indexed_field(Document, "scan"), Plan(), pruned)
    assert list(collections["archive"].images) == ["scan/a b/ü"]  # type: ignore[attr-defined]
    assert SyncRecord.objects.get().object_id == kept.code


def moved(row: Product, **where: str) -> None:
    """Let the record of a row look as if the code had changed since it was written."""
    SyncRecord.objects.filter(pk=record_of(row).pk).update(**where)


@pytest.mark.parametrize(
    "where",
    [{"field": "old_photo"}, {"model": "testapp.gone"}, {"collection": "archive"}],
    ids=["field", "model", "collection"],
)
def test_records_that_no_field_has_any_more_go(
    recorder: RecorderCollection, where: dict[str, str]
) -> None:
    row, other = product(1), product(2)
    worker.sweep(using="default")
    moved(row, **where)
    alias = where.get("collection", "default")
    if alias == "archive":
        collections[alias].add_image(image(1), f"testapp.product.photo:{row.pk}")
    pruned = Pruned()
    prune_orphaned(None, Plan(dry_run=True), pruned)
    assert (pruned.records, SyncRecord.objects.count()) == (1, 2)
    prune_orphaned(["nowhere"], Plan(), pruned)
    assert SyncRecord.objects.count() == 2
    prune_orphaned([alias], Plan(), pruned)
    assert SyncRecord.objects.get().pk == record_of(other).pk
    assert f"testapp.product.photo:{row.pk}" not in collections[alias].images  # type: ignore[attr-defined]


def test_a_record_stays_if_its_image_could_not_be_removed(recorder: RecorderCollection) -> None:
    row = product(1)
    worker.sweep(using="default")
    moved(row, field="old_photo")
    pruned = Pruned()
    with recorder.failing(ServerError("busy")):
        prune_orphaned(None, Plan(), pruned)
    assert pruned.tally.failures.count == 1
    assert SyncRecord.objects.count() == 1
