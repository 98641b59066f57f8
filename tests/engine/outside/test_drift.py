"""An index that differs from the rows is mended, entry by entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from django_visualsnoop.client.exceptions import ServerError
from django_visualsnoop.engine.models import Collection, IndexedImage, OutsideIndexState
from django_visualsnoop.engine.outside import drift, feed, indexes, states
from django_visualsnoop.engine.outside.drift import Drift, find_drift
from tests.collections.contract import image

if TYPE_CHECKING:
    from django_visualsnoop.collections.local import LocalCollection
    from tests.engine.outside.in_process import InProcessIndex

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def collection_id(collection: LocalCollection) -> str:
    for number in range(7):
        collection.add_image(image(1), f"{number}")
    return Collection.objects.get().pk


def damage(index: InProcessIndex, collection_id: str) -> None:
    """Lose an entry, make one outdated, and bring back one whose image is gone."""
    entries = index.entries[collection_id]
    first, *_, last = sorted(entries)
    IndexedImage.objects.filter(pk=last).delete()
    entries[first] = entries[first]._replace(stamp=1)
    del entries[first + 1]


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_drift_is_found_and_mended(
    index: InProcessIndex, collection_id: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "_PAGE", page)
    assert find_drift("default", collection_id, index) == Drift()
    damage(index, collection_id)
    assert find_drift("default", collection_id, index) == Drift(1, 1, 1)
    assert find_drift("default", collection_id, index, mend=True) == Drift(1, 1, 1)
    assert find_drift("default", collection_id, index) == Drift()
    assert len(index.entries[collection_id]) == 6


def test_the_sweeper_mends_all_in_several_calls(
    collection: LocalCollection,
    index: InProcessIndex,
    collection_id: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(drift, "_PAGE", 2)
    monkeypatch.setattr(indexes, "COMPARED_AT_ONCE", 2)
    index.entries.clear()
    calls = 0
    while find_drift("default", collection_id, index).total:
        collection.maintain()
        calls += 1
    assert calls == 4
    assert "lacked 2 images" in caplog.text
    assert OutsideIndexState.objects.get().compared_row == 0
    index.entries.clear()
    collection.maintain()
    assert len(index.entries[collection_id]) == 2


def test_comparing_changes_nothing(
    collection: LocalCollection, index: InProcessIndex, collection_id: str
) -> None:
    damage(index, collection_id)
    assert collection.compare_indexes() == collection.compare_indexes() == {"milvus": 3}
    index.stop()
    with pytest.raises(ServerError):
        collection.compare_indexes()


def test_rows_that_the_index_has_not_followed_are_no_drift(
    collection: LocalCollection, index: InProcessIndex, collection_id: str
) -> None:
    assert states.acquire_lease("default", collection_id, index)  # another process feeds
    collection.add_image(image(2), "0", update_existing=True)
    collection.add_image(image(2), "new")
    assert find_drift("default", collection_id, index, mend=True) == Drift()


def test_a_slow_feeder_does_not_undo_a_newer_entry(
    collection: LocalCollection, index: InProcessIndex, collection_id: str
) -> None:
    """It takes so long to write an entry that another process has taken the lease."""

    def change_meanwhile(method: str) -> None:
        if method == "upsert":
            index.start()
            OutsideIndexState.objects.update(leased_at=0)
            collection.add_image(image(3), "slow", update_existing=True)

    index.before = change_meanwhile
    collection.add_image(image(2), "slow")
    assert find_drift("default", collection_id, index) == Drift()


def test_purged_rows_do_not_keep_the_feed_busy(
    collection: LocalCollection, index: InProcessIndex, collection_id: str
) -> None:
    index.stop()
    collection.delete_image("3")
    IndexedImage.objects.filter(deleted__isnull=False).delete()
    index.start()
    assert feed.feed("default", collection_id, index)
    assert OutsideIndexState.objects.get().seq == Collection.objects.get().seq


def test_an_index_that_forgets_is_reported(
    collection: LocalCollection, index: InProcessIndex, collection_id: str
) -> None:
    def forget(method: str) -> None:
        if method == "list_entries":
            index.entries[collection_id].clear()

    index.before = forget
    with pytest.raises(ServerError, match="does not keep what is written to it: 7 images"):
        collection.move_index("milvus")


def test_searches_use_memory_while_an_empty_index_is_filled_again(
    collection: LocalCollection, index: InProcessIndex, collection_id: str
) -> None:
    index.entries.clear()
    found: list[int] = []

    def search_meanwhile(method: str) -> None:
        if method == "upsert":
            found.append(len(collection.search_images(image(1)).matches))

    index.before = search_meanwhile
    collection.move_index("milvus")
    assert found == [7]
    assert len(index.entries[collection_id]) == 7
    assert OutsideIndexState.objects.get().complete


def test_the_sweeper_does_nothing_inside_a_transaction(
    collection: LocalCollection, index: InProcessIndex, collection_id: str
) -> None:
    index.entries.clear()
    with transaction.atomic():
        collection.maintain()
    assert not index.entries[collection_id]


def test_feeding_goes_on_where_it_was(
    collection: LocalCollection,
    index: InProcessIndex,
    collection_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "PORTION", 2)
    OutsideIndexState.objects.all().delete()
    index.entries.clear()
    index.written.clear()

    def stop_later(method: str) -> None:
        if method == "upsert" and len(index.written) == 4:
            index.stop()
            index.before(method)

    index.before = stop_later
    with pytest.raises(ServerError):
        collection.move_index("milvus")
    index.start()
    collection.move_index("milvus")
    assert sorted(index.written) == sorted(index.entries[collection_id])  # each once
