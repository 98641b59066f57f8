from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.client.exceptions import NotFoundError
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
from django_visualsnoop.engine.replica import held, reader
from django_visualsnoop.engine.search import FIRST_LIMIT
from tests.collections.contract import image
from tests.engine.replica.searching import committing, remembered, search
from tests.threads import in_thread

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from django_visualsnoop.collections.local import LocalCollection


@committing
def test_a_rollback_leaves_no_phantom(collection: LocalCollection) -> None:
    collection.add_image(image(1), "committed")
    with transaction.atomic():
        collection.add_image(image(1), "phantom")
        assert search(collection, 1) == ["committed", "phantom"]
        assert "phantom" in {pair.first_id for pair in collection.iter_pairs()} | {
            pair.second_id for pair in collection.iter_pairs()
        }
        transaction.set_rollback(True)
    assert search(collection, 1) == remembered() == ["committed"]
    assert [pair.second_id for pair in collection.iter_pairs()] == []
    with pytest.raises(NotFoundError):
        collection.search_images_by_id("phantom")


@committing
@pytest.mark.parametrize("warm", [False, True])
def test_a_rolled_back_update_or_delete_loses_nothing(
    collection: LocalCollection, warm: bool
) -> None:
    for image_id in ("deleted", "updated", "kept"):
        collection.add_image(image(1), image_id)
    if warm:
        search(collection, 1)
    with transaction.atomic():
        collection.delete_image("deleted")
        collection.add_image(image(2), "updated", update_existing=True)
        assert search(collection, 1) == ["kept"]
        assert search(collection, 2) == ["updated"]
        transaction.set_rollback(True)
    assert search(collection, 1) == ["deleted", "kept", "updated"]
    assert search(collection, 2) == []


@committing
def test_what_others_commit_meanwhile_is_not_lost_by_a_rollback(
    collection: LocalCollection,
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    collection.add_image(image(1), "a")
    search(collection, 1)
    collection.add_image(image(2), "a", update_existing=True)  # numbered, not remembered yet
    with transaction.atomic():
        collection.add_image(image(3), "a", update_existing=True)  # hides that state
        in_thread(lambda: collection.add_image(image(1), "later"))
        search(collection, 1)  # sees a higher number than the hidden one
        transaction.set_rollback(True)
    assert search(collection, 1) == ["later"]
    assert search(collection, 2) == ["a"]


@committing
def test_savepoints(collection: LocalCollection) -> None:
    with transaction.atomic():
        collection.add_image(image(1), "outer")
        with transaction.atomic():
            collection.add_image(image(1), "inner")
            collection.delete_image("outer")
            assert search(collection, 1) == ["inner"]
            transaction.set_rollback(True)
        assert search(collection, 1) == ["outer"]
        assert IndexedImage.objects.filter(seq=None).count() == 1
    assert IndexedImage.objects.filter(seq=None).count() == 0
    assert search(collection, 1) == remembered() == ["outer"]


@committing
def test_a_first_write_that_is_rolled_back(collection: LocalCollection) -> None:
    with transaction.atomic():
        collection.add_image(image(1), "a")
        assert search(collection, 1) == ["a"]
        transaction.set_rollback(True)
    assert search(collection, 1) == []
    assert collection.get_images().images == []


@committing
def test_an_open_transaction_neither_numbers_nor_remembers_others_uncommitted_rows(
    collection: LocalCollection,
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    collection.add_image(image(1), "a")
    with transaction.atomic():
        collection.add_image(image(1), "mine")
        assert in_thread(lambda: search(collection, 1)) == ["a"]
    assert in_thread(lambda: search(collection, 1)) == ["a", "mine"]


@committing
def test_searching_inside_a_transaction_remembers_what_is_committed(
    collection: LocalCollection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    collection.add_image(image(1), "a")
    held._replicas.clear()
    with transaction.atomic():
        search(collection, 1)
        with django_assert_num_queries(2):  # and one for the candidates
            assert search(collection, 1) == ["a"]


@committing
@pytest.mark.parametrize("count", [1, 20, 200])
def test_queries(
    collection: LocalCollection, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    with django_assert_num_queries(1):
        assert search(collection, 1) == []
    list(collection.add_images((str(number), image(1)) for number in range(count)))
    portions = 2 if count > FIRST_LIMIT else 1  # each reads its candidates
    with django_assert_num_queries(2 + portions):
        assert len(collection.search_images(image(1), SearchOptions(limit=300)).matches) == count
    with django_assert_num_queries(1 + portions) as captured:
        collection.search_images(image(1), SearchOptions(limit=300))
    assert "vector" not in captured[0]["sql"]
    with django_assert_num_queries(1 if count == 1 else 1 + portions):
        collection.search_images_by_id("0", SearchOptions(limit=300))
    with django_assert_num_queries(2):
        collection.search_images(
            image(1), SearchOptions(allowed={str(number) for number in range(500)})
        )
    with CaptureQueriesContext(connection) as captured:
        list(collection.iter_pairs())
    # The second reads what is compared; of a large group, that is not known from the beginning.
    # One is for the pairs that are not duplicates.
    assert len(captured) == 1 + min(count, 2) if count < 200 else len(captured) < 50
    with transaction.atomic():
        collection.add_image(image(1), "new")
        with django_assert_num_queries(3):
            search(collection, 1)


@committing
def test_rows_whose_writer_died_are_found_and_in_the_end_numbered(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "django_visualsnoop.engine.storage.store.publish_on_commit", lambda *_: None
    )
    collection.add_image(image(1), "a")
    assert search(collection, 1) == ["a"]
    assert IndexedImage.objects.get().seq is None
    monkeypatch.setattr(reader, "TOO_MANY_UNNUMBERED", 1)
    collection.add_image(image(1), "b")
    assert search(collection, 1) == ["a", "b"]
    assert not IndexedImage.objects.filter(seq=None).exists()
    assert search(collection, 1) == remembered() == ["a", "b"]


@committing
def test_a_table_made_anew_is_not_taken_for_the_old_one(collection: LocalCollection) -> None:
    collection.add_image(image(1), "old")
    collection.add_image(image(2), "both")
    search(collection, 1)
    IndexedImage.objects.all().delete()
    Collection.objects.all().delete()
    assert search(collection, 1) == []
    for image_id in ("both", "new", "newer"):
        collection.add_image(image(3), image_id)
    assert search(collection, 1) == search(collection, 2) == []
    assert search(collection, 3) == ["both", "new", "newer"]


@committing
def test_a_restored_backup_counts_backwards(collection: LocalCollection) -> None:
    collection.add_image(image(1), "kept")
    collection.add_image(image(1), "lost")
    search(collection, 1)
    IndexedImage.objects.filter(image_id="lost").delete()
    Collection.objects.update(seq=1)
    assert search(collection, 1) == ["kept"]


@committing
def test_a_memory_older_than_the_horizon_is_loaded_anew(collection: LocalCollection) -> None:
    for image_id in ("gone", "kept"):
        collection.add_image(image(1), image_id)
    search(collection, 1)
    collection.delete_image("gone")
    deleted = IndexedImage.objects.get(image_id="gone")
    IndexedImage.objects.filter(pk=deleted.pk).delete()  # as purge does
    Collection.objects.update(horizon=deleted.seq)
    assert search(collection, 1) == remembered() == ["kept"]
    similar = collection.search_images(image(1), SearchOptions(kind="similar")).matches
    assert [match.image_id for match in similar] == ["kept"]


@committing
def test_many_threads_search_and_write(collection: LocalCollection) -> None:
    collection.add_image(image(1), "first")
    failures: list[object] = []

    def work(number: int) -> None:
        try:
            for turn in range(3):
                if number % 2 and connection.vendor != "sqlite":
                    collection.add_image(image(1), f"{number} {turn}")
                if "first" not in search(collection, 1):
                    failures.append(number)
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert search(collection, 1) == sorted(IndexedImage.objects.values_list("image_id", flat=True))
    assert remembered() == search(collection, 1)


@committing
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_keeps_what_is_whole(collection: LocalCollection) -> None:
    collection.add_image(image(1), "a")
    search(collection, 1)
    memory = held._replicas["default", key_of("shop"), ""]
    before = dict(held._replicas)
    held._after_fork()
    assert held._replicas["default", key_of("shop"), ""] is memory
    with memory.lock:  # another thread was reading when the process was forked
        held._after_fork()
        assert ("default", key_of("shop"), "") not in held._replicas
    held._replicas.update(before)
    assert search(collection, 1) == ["a"]
