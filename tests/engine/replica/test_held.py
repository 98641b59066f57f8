"""What a process holds of collections: no more than it may, and nothing of deleted ones."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
from django_visualsnoop.engine.replica import held
from django_visualsnoop.engine.replica.replica import Replica
from tests.collections.contract import image
from tests.embeddings import MeanColour

if TYPE_CHECKING:
    from django_visualsnoop.engine.storage.queries import CollectionState

pytestmark = pytest.mark.django_db(transaction=True)


def filled(name: str, **options: object) -> LocalCollection:
    collection = LocalCollection(name, {"OPTIONS": options})
    for number in (1, 2):
        collection.add_image(image(number), str(number))
    return collection


def search(collection: LocalCollection) -> list[str]:
    return [match.image_id for match in collection.search_images(image(1)).matches]


def held_names() -> list[str]:
    """Return the names of the collections, the least recently searched first."""
    names = {key_of(name): name for name in map(str, range(200))}
    return [names[key] for _, key, _ in held._replicas]


def delete(name: str) -> None:
    collections = Collection.objects.filter(name=name)
    IndexedImage.objects.filter(collection__in=collections).delete()
    collections.delete()


def size_of_one() -> int:
    collection = filled("0")
    search(collection)
    search(collection)  # what waited is a segment now
    (memory,) = held._replicas.values()
    assert memory.size > 2 * 256
    return memory.size


def test_the_least_recently_searched_are_dropped_and_read_again() -> None:
    most = 2 * size_of_one() + 10
    some = [filled(str(number), memory=most) for number in range(1, 4)]
    for collection in some:
        assert search(collection) == ["1"]
    assert held_names() == ["2", "3"]
    assert search(some[1]) == ["1"]
    assert search(some[0]) == ["1"]
    assert held_names() == ["2", "1"]
    assert sum(memory.size for memory in held._replicas.values()) <= most


def test_both_replicas_that_a_search_uses_are_held() -> None:
    one, other = filled("1", memory=1, embedding=MeanColour()), filled("2", memory=1)
    similar = SearchOptions(kind="similar", min_similarity=0.0)
    assert len(one.search_images(image(1), similar).matches) == 2
    both = dict(held._replicas)
    assert len(both) == 2
    for _ in range(2):
        assert len(one.search_images(image(1), similar).matches) == 2
        assert search(one) == ["1"]
        assert held._replicas == both  # the same ones: neither was read again
    search(other)
    assert held_names() == ["2"]


def test_the_collection_that_is_searched_is_held_however_large() -> None:
    one, other = filled("1", memory=1), filled("2", memory=1)
    for _ in range(2):
        assert search(one) == ["1"]
        assert held_names() == ["1"]
        assert search(other) == ["1"]
        assert held_names() == ["2"]


def test_of_a_hundred_deleted_collections_few_are_held() -> None:
    kept = filled("150")
    most = 0
    for number in range(100):
        collection = filled(str(number))
        assert search(collection) == ["1"]
        delete(str(number))
        most = max(most, len(held_names()))
        if number == 50:
            assert search(kept) == ["1"]
    assert most <= 8
    assert "150" in held_names()


def test_a_deleted_collection_is_dropped_by_its_next_search() -> None:
    collection = filled("1")
    search(collection)
    delete("1")
    assert search(collection) == []
    assert held_names() == []


def test_a_memory_that_is_dropped_while_a_thread_reads_it_serves_that_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collection, other = filled("1", memory=1), filled("2", memory=1)
    reading, go_on = threading.Event(), threading.Event()
    read_rows = Replica.read_rows

    def slow(
        self: Replica[Any], state: CollectionState, *args: Any, **kwargs: Any
    ) -> frozenset[str]:
        if threading.current_thread().name == "slow":
            reading.set()
            assert go_on.wait(20)
        return read_rows(self, state, *args, **kwargs)

    monkeypatch.setattr(Replica, "read_rows", slow)
    found: list[list[str]] = []

    def run() -> None:
        try:
            found.append(search(collection))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="slow")
    thread.start()
    assert reading.wait(20)
    assert search(other) == ["1"]
    assert held_names() == ["2"]
    go_on.set()
    thread.join()
    assert found == [["1"]]
    assert search(collection) == ["1"]
    assert held_names() == ["1"]
