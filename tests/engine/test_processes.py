"""Two real processes on one database: each sees what the other committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine.models import Collection, IndexedImage
from tests.collections.contract import image
from tests.engine.other_process import OtherProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def collection() -> LocalCollection:
    return LocalCollection("shop", {})


@pytest.fixture
def other() -> Iterator[OtherProcess]:
    with OtherProcess("shop") as process:
        yield process


def search(collection: LocalCollection, scene: int) -> list[str]:
    return sorted(match.image_id for match in collection.search_images(image(scene)).matches)


def test_each_sees_what_the_other_adds_updates_and_deletes(
    collection: LocalCollection, other: OtherProcess
) -> None:
    assert search(collection, 1) == other.call("search", 1) == []
    assert other.call("add", 1, "a") is True
    assert search(collection, 1) == ["a"]
    collection.add_image(image(1), "b")
    assert other.call("search", 1) == ["a", "b"]
    assert other.call("add", 1, "b") == "ConflictError"

    assert other.call("add", 2, "a", update_existing=True) is False
    assert search(collection, 1) == ["b"]
    assert search(collection, 2) == ["a"]
    collection.add_image(image(3), "b", update_existing=True)
    assert other.call("search", 1) == []
    assert other.call("search", 3) == ["b"]

    collection.delete_image("b")
    assert other.call("search", 3) == []
    assert other.call("delete_image", "a") == "a"
    assert search(collection, 2) == []
    assert other.call("add", 2, "a") is True
    assert search(collection, 2) == ["a"]


def test_both_write_the_same_ids_at_once(collection: LocalCollection, other: OtherProcess) -> None:
    other.call("search", 1)  # it is up and running
    ids = [f"id {number}" for number in range(30)]
    other.start("add_many", *[(1, image_id) for image_id in ids])
    outcomes = dict(collection.add_images((image_id, image(1)) for image_id in reversed(ids)))
    assert other.answer() == len(ids)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes.values())
    assert Collection.objects.count() == 1
    assert IndexedImage.objects.count() == len(ids)
    assert search(collection, 1) == other.call("search", 1) == sorted(ids)
    assert not IndexedImage.objects.filter(seq=None).exists()


def test_only_one_of_two_adds_an_id(collection: LocalCollection, other: OtherProcess) -> None:
    other.call("search", 1)
    ids = [f"id {number}" for number in range(10)]
    for image_id in ids:
        other.start("add", 2, image_id)
    mine = []
    for image_id in ids:
        try:
            collection.add_image(image(2), image_id)
        except OSError:
            continue
        mine.append(image_id)
    theirs = [image_id for image_id in ids if other.answer() is True]
    assert sorted(mine + theirs) == ids
