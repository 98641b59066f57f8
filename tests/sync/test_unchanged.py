"""A picture that the collection has described already is not described again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.core.files.storage import default_storage

from django_visualsnoop.collections import collections
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.reindex import Plan, reindex
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Product

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

PHOTO = indexed_field(Product, "photo")


class Constant:
    """An embedding model."""

    identity = "constant"

    def describe(self, pixels: Any) -> Any:
        return np.ones(4, np.int8)


@pytest.fixture
def described(media: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the images that the engine describes."""
    ids: list[str] = []
    describe = LocalCollection._describe

    def noting(self: LocalCollection, image: Any, image_id: str) -> Any:
        ids.append(image_id)
        return describe(self, image, image_id)

    monkeypatch.setattr(LocalCollection, "_describe", noting)
    return ids


def run(plan: Plan | None = None) -> int:
    return sum(step.tally.counts["in_sync"] for step in reindex(PHOTO, plan or Plan()))


def test_unchanged_pictures_are_in_sync_and_not_described_again(described: list[str]) -> None:
    rows = [product(n) for n in range(1, 4)]
    worker.sweep(using="default")
    assert len(described) == 3
    before = list(IndexedImage.objects.order_by("pk").values())
    synced = record_of(rows[0]).synced_at
    assert run() == 3
    assert len(described) == 3
    record = record_of(rows[0])
    assert record.state == SyncRecord.State.IN_SYNC
    assert synced is not None
    assert record.synced_at is not None
    assert record.synced_at > synced
    assert (record.due_at, record.lease, record.leased_until) == (None, None, None)
    assert list(IndexedImage.objects.order_by("pk").values()) == before


def test_another_picture_under_the_same_name_is_described(described: list[str]) -> None:
    row, other = product(1), product(2)
    worker.sweep(using="default")
    default_storage.delete(str(row.photo.name))
    default_storage.save(str(row.photo.name), picture(3))
    assert run() == 2
    assert described[2:] == [record_of(row).image_id]
    assert list(Product.objects.copies_of(other)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1},
        {"embedding_model": "0123456789abcdef"},
        {"digest": "0" * 64},
        {"deleted": 1},
        {"width": 100_000, "height": 100_000},
    ],
)
def test_what_the_collection_would_describe_otherwise_is_described(
    described: list[str], changes: dict[str, Any]
) -> None:
    row, _ = product(1), product(2)
    worker.sweep(using="default")
    image_id = record_of(row).image_id
    IndexedImage.objects.filter(image_id=image_id).update(**changes)
    assert run() == 2
    assert described[2:] == [image_id]


def test_an_image_that_is_gone_from_the_collection_returns(described: list[str]) -> None:
    row = product(1)
    worker.sweep(using="default")
    collections["default"].delete_image(record_of(row).image_id)
    assert run() == 1
    assert len(described) == 2
    assert collections["default"].get_image(record_of(row).image_id)


def test_a_picture_that_the_model_failed_to_describe_is_described_again(
    described: list[str], settings: Settings
) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": Constant()}}}
    product(1)
    worker.sweep(using="default")
    assert run() == 1
    assert len(described) == 1
    IndexedImage.objects.update(embedding=None)
    assert run() == 1
    assert len(described) == 2


def test_capture_times_that_are_not_to_be_stored_are_removed(
    described: list[str], settings: Settings
) -> None:
    product(1)
    worker.sweep(using="default")
    IndexedImage.objects.update(capture=bytes(13))
    run()
    assert len(described) == 1
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": None, "capture_times": False}}}
    run()
    assert len(described) == 2
    assert IndexedImage.objects.get().capture is None


def test_force_describes_again_even_if_the_first_attempt_fails(
    described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    worker.sweep(using="default")
    with monkeypatch.context() as patch:
        patch.setattr(LocalCollection, "add_images", _fail)
        patch.setattr(LocalCollection, "add_image", _fail)
        assert run(Plan(force=True)) == 0
    assert record_of(row).state == SyncRecord.State.RETRYING
    SyncRecord.objects.update(due_at=record_of(row).requested_at)
    worker.sweep(using="default")
    assert len(described) == 2
    assert run() == 1
    assert len(described) == 2


def test_a_request_that_comes_meanwhile_is_not_lost(
    described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    worker.sweep(using="default")
    known = LocalCollection.known_digests
    saved: list[bool] = []

    def interfering(self: LocalCollection, image_ids: Any) -> dict[str, str]:
        if not saved:
            saved.append(True)
            row.photo = picture(2)
            row.save()
        return known(self, image_ids)

    monkeypatch.setattr(LocalCollection, "known_digests", interfering)
    run()
    assert len(described) == 2
    assert record_of(row).name == row.photo.name
    assert record_of(row).state == SyncRecord.State.IN_SYNC


def test_a_collection_that_cannot_tell_gets_the_pictures(
    described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    product(1)
    worker.sweep(using="default")
    monkeypatch.setattr(LocalCollection, "known_digests", _fail)
    assert run() == 1
    assert len(described) == 2


def test_a_new_picture_costs_no_query_for_its_digest(
    described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalCollection, "known_digests", _fail_loudly)
    product(1)
    assert worker.sweep(using="default").in_sync == 1


def _fail(*_: object, **__: object) -> Any:
    raise RuntimeError("out of luck")


def _fail_loudly(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt
