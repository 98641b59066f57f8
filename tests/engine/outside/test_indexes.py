"""What searches see with an index outside the process: all that is committed, whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from django_visualsnoop.client.exceptions import NotFoundError, ServerError
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.search_options import SIMILAR, SearchOptions
from django_visualsnoop.engine.models import Collection, OutsideIndexState
from django_visualsnoop.engine.outside import indexes, states
from django_visualsnoop.testing.contract import CollectionContract
from tests.collections.contract import image

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from tests.engine.outside.in_process import InProcessIndex

committing = pytest.mark.django_db(transaction=True)


def search(collection: LocalCollection, scene: int) -> list[str]:
    return sorted(match.image_id for match in collection.search_images(image(scene)).matches)


@pytest.mark.django_db
class TestInsideTransaction(CollectionContract):
    """Nothing is numbered: searches read all rows from the table."""


@committing
class TestCommitting(CollectionContract):
    """The index follows each write."""


@committing
def test_the_index_holds_what_was_saved(collection: LocalCollection, index: InProcessIndex) -> None:
    for image_id in ("a", "b", "c"):
        collection.add_image(image(1), image_id)
    collection.delete_image("b")
    collection.add_image(image(2), "c", update_existing=True)
    (entries,) = index.entries.values()
    assert sorted(one.image_id for one in entries.values()) == ["a", "c"]
    assert search(collection, 1) == ["a"]
    assert search(collection, 2) == ["c"]


@committing
def test_a_rollback_leaves_nothing(collection: LocalCollection, index: InProcessIndex) -> None:
    collection.add_image(image(1), "committed")
    with transaction.atomic():
        collection.add_image(image(1), "phantom")
        collection.delete_image("committed")
        assert search(collection, 1) == ["phantom"]
        transaction.set_rollback(True)
    assert search(collection, 1) == ["committed"]
    (entries,) = index.entries.values()
    assert [one.image_id for one in entries.values()] == ["committed"]
    with pytest.raises(NotFoundError):
        collection.search_images_by_id("phantom")


@committing
def test_saving_goes_on_while_the_server_is_down(
    collection: LocalCollection, index: InProcessIndex, caplog: pytest.LogCaptureFixture
) -> None:
    collection.add_image(image(1), "before")
    index.stop()
    collection.add_image(image(1), "meanwhile")
    assert "The server does not respond. Start it." in caplog.text
    with pytest.raises(ServerError, match=r"The server does not respond\. Start it\.") as refused:
        collection.search_images(image(1))
    assert refused.value.status == 503
    with pytest.raises(ServerError):
        next(collection.iter_matches_by_id("before"))
    index.start()
    assert search(collection, 1) == ["before", "meanwhile"]  # read from the table
    (entries,) = index.entries.values()
    assert len(entries) == 1
    collection.maintain()
    assert len(entries) == 2


@committing
def test_a_lagging_index_is_fed_by_a_search(
    collection: LocalCollection, index: InProcessIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "TOO_MANY_JOINED", 3)
    collection.add_image(image(1), "first")
    other = LocalCollection("shop", {})  # of a process with another setting
    for number in range(5):
        other.add_image(image(1), f"{number}")
        if number == 2:
            search(collection, 1)
            (entries,) = index.entries.values()
            assert len(entries) == 1
    assert search(collection, 1) == ["0", "1", "2", "3", "4", "first"]
    assert len(entries) == 6


@committing
def test_what_has_no_row_is_not_found(collection: LocalCollection, index: InProcessIndex) -> None:
    collection.add_image(image(1), "a")
    collection.add_image(image(1), "b")
    ((collection_id, entries),) = index.entries.items()
    ghost = next(one for one in entries.values() if one.image_id == "b")
    collection.delete_image("b")
    index.upsert(collection_id, [ghost])
    assert search(collection, 1) == ["a"]
    similar = collection.search_images(image(1), SearchOptions(kind=SIMILAR, min_similarity=0.0))
    assert [match.image_id for match in similar.matches] == ["a"]


@committing
def test_a_large_collection_waits_for_the_command(
    collection: LocalCollection, index: InProcessIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "FEW", 2)
    other = LocalCollection("shop", {})
    for image_id in ("a", "b", "c"):
        other.add_image(image(1), image_id)
    collection.add_image(image(1), "d")
    assert not index.entries
    assert search(collection, 1) == ["a", "b", "c", "d"]  # in memory
    assert collection.list_indexes() == []
    shown: list[int] = []
    assert collection.move_index("milvus", shown.append) == 0
    assert shown[-1] == 4
    assert [(one.images, one.complete) for one in collection.list_indexes()] == [(4, True)]
    index.stop()
    with pytest.raises(ServerError):
        search(collection, 1)


@committing
def test_a_new_version_of_the_index_is_filled_again(
    collection: LocalCollection, index: InProcessIndex
) -> None:
    collection.add_image(image(1), "a")
    index.version = 2
    index.entries.clear()
    assert search(collection, 1) == ["a"]  # in memory
    collection.move_index("milvus")
    assert len(next(iter(index.entries.values()))) == 1
    index.before = _refuse_candidates
    with pytest.raises(AssertionError):
        search(collection, 1)


def _refuse_candidates(method: str) -> None:
    assert method != "find_candidates"


@committing
def test_dropping_an_index_goes_back_to_memory(
    collection: LocalCollection, index: InProcessIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    collection.add_image(image(1), "a")
    collection.drop_index("milvus")
    assert not index.entries
    assert search(LocalCollection("shop", {}), 1) == ["a"]


@committing
def test_deleting_a_collection_deletes_its_entries(
    collection: LocalCollection, index: InProcessIndex
) -> None:
    collection.add_image(image(1), "a")
    collection._gallery.store.drop()
    assert not index.entries
    assert not OutsideIndexState.objects.exists()


@committing
def test_a_search_by_id_takes_few_queries(
    collection: LocalCollection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for image_id in ("a", "b"):
        collection.add_image(image(1), image_id)
    with django_assert_num_queries(3):  # the collection with the image, the index, descriptors
        collection.search_images_by_id("a")


@committing
def test_only_one_process_feeds(collection: LocalCollection, index: InProcessIndex) -> None:
    collection.add_image(image(1), "a")
    collection_id = Collection.objects.get().pk
    assert states.acquire_lease("default", collection_id, index)
    collection.add_image(image(1), "b")
    assert len(index.written) == 1
    assert search(collection, 1) == ["a", "b"]
    states.release_lease("default", collection_id, index)
    collection.add_image(image(1), "c")
    assert len(index.written) == 3
