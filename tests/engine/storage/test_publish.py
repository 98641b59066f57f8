from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection, connections, transaction

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine.models import Collection, IndexedImage, VectorBlock
from django_visualsnoop.engine.storage import publish
from tests.collections.contract import image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def collection() -> LocalCollection:
    return LocalCollection("shop", {})


@pytest.fixture
def other_connection() -> Iterator[Callable[[Callable[[], object]], Future[object]]]:
    """Run functions, one after another, in a thread with a connection of its own."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield lambda function: pool.submit(function)
        pool.submit(connections.close_all).result()


def search(collection: LocalCollection, scene: int = 1) -> list[str]:
    return sorted(match.image_id for match in collection.search_images(image(scene)).matches)


def numbers() -> dict[str, int | None]:
    return dict(IndexedImage.objects.values_list("image_id", "seq"))


def test_rows_are_numbered_once_they_are_committed(collection: LocalCollection) -> None:
    collection.add_image(image(1), "a")
    first = numbers()["a"]
    assert first is not None
    with transaction.atomic():
        collection.add_image(image(1), "b")
        publish.publish("default", Collection.objects.get().pk)
        assert numbers() == {"a": first, "b": None}
    second = numbers()["b"]
    assert second is not None
    assert second > first
    collection.delete_image("a")
    third = numbers()["a"]
    assert third is not None
    assert third > second
    assert Collection.objects.get().seq == third


def test_many_rows(collection: LocalCollection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "CHUNK", 3)
    list(collection.add_images((str(number), image(1)) for number in range(8)))
    assert sorted(one or 0 for one in numbers().values()) == [1, 1, 1, 2, 2, 2, 3, 3]
    assert len(search(collection)) == 8


def test_one_transaction_numbers_at_most_some_hundred_rows(collection: LocalCollection) -> None:
    collection.add_image(image(1), "first")
    one = IndexedImage.objects.get()
    fields = {field.attname: getattr(one, field.attname) for field in one._meta.fields}
    IndexedImage.objects.bulk_create(
        IndexedImage(**(fields | {"id": None, "key": str(number), "seq": None}))
        for number in range(501)
    )
    publish.publish("default", one.collection_id)
    counts = Counter(IndexedImage.objects.exclude(pk=one.pk).values_list("seq", flat=True))
    assert sorted(counts.values()) == [1, 500]
    assert None not in counts


def test_purging_and_numbering_keep_to_one_collection(collection: LocalCollection) -> None:
    other = LocalCollection("other", {})
    for place in (collection, other):
        place.add_image(image(1), "a")
        place.delete_image("a")
    key = Collection.objects.get(name="shop").pk
    others = IndexedImage.objects.exclude(collection_id=key)
    others.update(seq=None)
    publish.publish("default", key)
    assert others.get().seq is None
    others.update(seq=1)
    for row in Collection.objects.all():
        VectorBlock.objects.create(collection=row, seq=0, place=0, content=b"")
    for _ in range(2):
        publish.purge("default", key, older_than_seconds=-60)
    assert IndexedImage.objects.get().collection_id != key
    assert Collection.objects.get(name="other").horizon == 0
    assert VectorBlock.objects.get().collection_id != key


def test_purging_waits_until_a_tombstone_is_numbered(collection: LocalCollection) -> None:
    collection.add_image(image(1), "a")
    collection.delete_image("a")
    IndexedImage.objects.update(seq=None)
    (row,) = Collection.objects.all()
    for _ in range(2):
        publish.purge("default", row.pk, older_than_seconds=-60)
    assert IndexedImage.objects.count() == 1
    assert Collection.objects.get().horizon == 0
    publish.purge("default", "gone", older_than_seconds=-60)


def test_a_tombstone_stays_for_a_day(collection: LocalCollection) -> None:
    collection.add_image(image(1), "a")
    collection.delete_image("a")
    (row,) = Collection.objects.all()
    for hours, horizon in ((23.9, 0), (24.1, row.seq)):
        IndexedImage.objects.update(deleted=(time.time() - hours * 3600) * 1_000_000)
        publish.purge("default", row.pk)
        assert Collection.objects.get().horizon == horizon


def test_a_row_committed_late_is_not_lost(
    collection: LocalCollection,
    other_connection: Callable[[Callable[[], object]], Future[object]],
) -> None:
    """A writes, B writes and commits, a reader reads, A commits: the reader sees A's row."""
    collection.add_image(image(1), "first")
    with transaction.atomic():
        collection.add_image(image(1), "late")
        other_connection(lambda: collection.add_image(image(1), "early")).result(timeout=20)
        assert other_connection(lambda: search(collection)).result() == ["early", "first"]
    assert search(collection) == ["early", "first", "late"]
    assert other_connection(lambda: search(collection)).result() == ["early", "first", "late"]


def test_nobody_waits_for_an_open_transaction(
    collection: LocalCollection,
    other_connection: Callable[[Callable[[], object]], Future[object]],
) -> None:
    for image_id in ("changed", "deleted"):
        collection.add_image(image(1), image_id)
    IndexedImage.objects.update(seq=None)  # committed, but their writer died before numbering
    before = Collection.objects.get().seq
    with transaction.atomic():
        collection.add_image(image(2), "changed", update_existing=True)
        collection.delete_image("deleted")
        collection.add_image(image(1), "new")
        # Would hang, and fail here, if the publish step waited for these three rows.
        other_connection(lambda: collection.add_image(image(1), "other")).result(timeout=20)
        other_connection(lambda: collection.delete_image("other")).result(timeout=20)
        assert numbers() == {"changed": None, "deleted": None, "new": None, "other": before + 2}
    assert None not in numbers().values()
    assert search(collection) == ["new"]
    assert search(collection, 2) == ["changed"]


def test_publishing_at_once_gives_each_row_one_number(collection: LocalCollection) -> None:
    list(collection.add_images((str(number), image(1)) for number in range(40)))
    IndexedImage.objects.update(seq=None)
    collection_id = Collection.objects.get().pk
    barrier = threading.Barrier(4)

    def run() -> None:
        try:
            barrier.wait()
            publish.publish("default", collection_id)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None not in numbers().values()
    assert max(one or 0 for one in numbers().values()) <= Collection.objects.get().seq
    assert len(search(collection)) == 40


def test_a_failure_is_logged_and_the_image_found_all_the_same(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> int:
        raise DatabaseError("deadlock")

    with monkeypatch.context() as patched:
        patched.setattr(publish, "_publish_chunk", broken)
        with caplog.at_level(logging.WARNING):
            assert collection.add_image(image(1), "a").created
    key = Collection.objects.get().pk
    assert f"Could not number the new images of collection {key}: deadlock" in caplog.text
    assert search(collection) == ["a"]
    assert numbers() == {"a": None}
    collection.add_image(image(1), "b")
    assert None not in numbers().values()


def test_purging_takes_old_tombstones_in_two_steps(collection: LocalCollection) -> None:
    for image_id in ("deleted", "kept", "lately"):
        collection.add_image(image(1), image_id)
    search(collection)
    collection_id = Collection.objects.get().pk
    collection.delete_image("deleted")
    number = numbers()["deleted"]
    cut = time.time()
    collection.delete_image("lately")

    def purge() -> None:
        publish.purge("default", collection_id, older_than_seconds=time.time() - cut)

    purge()
    assert Collection.objects.get().horizon == number
    assert set(numbers()) == {"deleted", "kept", "lately"}
    purge()
    assert set(numbers()) == {"kept", "lately"}
    assert search(collection) == ["kept"]
    collection.add_image(image(1), "deleted")
    assert search(collection) == ["deleted", "kept"]


def test_publishing_purges_now_and_then(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged: list[tuple[str, str]] = []
    monkeypatch.setattr(publish, "purge", lambda *collection: purged.append(collection))
    monkeypatch.setattr(publish, "_purged", {})
    collection.add_image(image(1), "a")
    collection.add_image(image(1), "b")
    assert purged == []
    here = ("default", Collection.objects.get().pk)
    publish._purged[here] -= 3600
    collection.delete_image("a")
    assert purged == [here]
    collection.delete_image("b")
    assert purged == [here]
