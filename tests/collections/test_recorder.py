from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import pytest

from django_visualsnoop.client.exceptions import ServerError, TransportError
from django_visualsnoop.collections import recorder
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.testing.contract import CollectionContract

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo


@pytest.fixture
def collection() -> Iterator[RecorderCollection]:
    collection = RecorderCollection("recorder", {})
    yield collection
    collection.clear()


class TestRecorderCollection(CollectionContract):
    decodes = False


def test_calls_are_recorded_even_when_they_fail(collection: RecorderCollection) -> None:
    collection.add_image(b"x", "a", update_existing=True)
    with pytest.raises(OSError, match="holds no image 'b'"):
        collection.delete_image("b")
    collection.search_images(b"y", SearchOptions(limit=3))
    added, deleted, searched = collection.calls
    assert (added.method, added.image_id, added.content) == ("add_image", "a", b"x")
    assert added.arguments == {"update_existing": True}
    assert (deleted.method, deleted.image_id) == ("delete_image", "b")
    assert (searched.method, searched.content) == ("search_images", b"y")
    assert searched.arguments["limit"] == 3
    assert collection.images == {"a": b"x"}


def test_failures_come_in_the_order_asked_for(collection: RecorderCollection) -> None:
    collection.fail_with(TransportError("down"), times=2)
    collection.fail_with(ServerError("broken"))
    for error in (TransportError, TransportError, ServerError):
        with pytest.raises(error):
            collection.add_image(b"x", "a")
    assert collection.images == {}
    assert collection.add_image(b"x", "a").created
    assert len(collection.calls) == 4


def test_failing_lasts_as_long_as_the_block(collection: RecorderCollection) -> None:
    with collection.failing(TransportError("down")):
        for _ in range(2):
            with pytest.raises(TransportError):
                collection.get_images()
    assert collection.get_images().images == []


def test_state_is_shared_by_alias_across_threads_and_cleared_for_all(
    collection: RecorderCollection,
) -> None:
    def work() -> None:
        RecorderCollection("recorder", {}).add_image(b"x", "a")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    other = RecorderCollection("another", {})
    assert collection.images == {"a": b"x"}
    assert other.images == {}
    RecorderCollection("recorder", {}).clear()
    assert collection.images == {}
    assert collection.calls == []


def test_times_increase_while_the_clock_stands_still(
    collection: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2015, 1, 25, tzinfo=tz)

    monkeypatch.setattr(recorder, "datetime", Stopped)
    times = [collection.add_image(b"x").image_time for _ in range(3)]
    assert times == [datetime(2015, 1, 25, 0, 0, 0, n, tzinfo=UTC) for n in range(3)]


def test_a_page_has_at_most_a_thousand_images(collection: RecorderCollection) -> None:
    for number in range(1001):
        collection.add_image(b"x", str(number))
    page = collection.get_images(count=5000)
    assert len(page.images) == 1000
    assert page.next_image_id == "0"
    assert len(list(collection.iter_images())) == 1001
