"""SQLite as ``startproject`` leaves it: transactions begin by reading, and others write meanwhile.

Another connection tries to write right after the first SELECT of a transaction of ours. What
read first would be told "database is locked" at its own first write, at once.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine.models import Collection, IndexedImage, VectorBlock
from django_visualsnoop.engine.replica import held, replica, vector_blocks
from django_visualsnoop.engine.storage import publish
from tests.collections.contract import image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the others lock rows"),
]


@pytest.fixture(autouse=True)
def _stock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Transactions begin as Django begins them unless told otherwise; waiting is short."""
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"timeout": 0.2})
    connection.close()
    yield
    connection.close()


@pytest.fixture
def other() -> Iterator[sqlite3.Connection]:
    """A connection of another program, which never waits."""
    name = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(name, timeout=0, isolation_level=None)) as made:
        made.execute("CREATE TABLE IF NOT EXISTS elsewhere (id INTEGER PRIMARY KEY)")
        yield made
        if made.in_transaction:
            made.execute("ROLLBACK")
        made.execute("DROP TABLE elsewhere")


@pytest.fixture
def collection() -> LocalCollection:
    collection = LocalCollection("shop", {})
    for image_id in ("a", "b"):
        collection.add_image(image(1), image_id)
    return collection


class Meanwhile:
    """Writes right after the first SELECT inside a transaction."""

    def __init__(self, other: sqlite3.Connection) -> None:
        self._other = other
        self._done = False

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        answer = execute(sql, params, many, context)
        if not self._done and sql.startswith("SELECT") and connection.in_atomic_block:
            self._done = True
            try:
                self._other.execute("BEGIN IMMEDIATE")
                self._other.execute("INSERT INTO elsewhere DEFAULT VALUES")
                self._other.execute("COMMIT")  # in the default journal mode readers are in its way
            except sqlite3.OperationalError:
                pass
        return answer


def new() -> LocalCollection:
    return LocalCollection("never written to", {})


def tombstone(collection: LocalCollection) -> str:
    collection.delete_image("b")
    return "b"


def purge(collection: LocalCollection) -> None:
    collection.delete_image("b")
    collection_id = collection._gallery.store.get_or_create_collection_id()
    for _ in range(2):
        publish.purge("default", collection_id, older_than_seconds=-1)
    assert not IndexedImage.objects.filter(image_id="b").exists()


def number(collection: LocalCollection) -> None:
    IndexedImage.objects.update(seq=None)
    publish.publish("default", collection._gallery.store.get_or_create_collection_id())


def write_blocks(collection: LocalCollection) -> None:
    view = collection._gallery._read_whole_view()
    assert view is not None
    row = Collection.objects.get(pk=view.collection_id)
    vector_blocks.save("default", row.pk, row.seq, row.horizon, view.list_parts()).join()
    assert VectorBlock.objects.filter(collection=row, seq=row.seq).count() == 1


WRITES: dict[str, Callable[[LocalCollection], object]] = {
    "add": lambda collection: collection.add_image(image(2), "c"),
    "add the first": lambda _: new().add_image(image(2), "c"),
    "add in place of a deleted one": lambda one: one.add_image(image(2), tombstone(one)),
    "update": lambda collection: collection.add_image(image(2), "a", update_existing=True),
    "add many": lambda collection: list(
        collection.add_images((image_id, image(2)) for image_id in ("a", "c", "d"))
    ),
    "delete": lambda collection: collection.delete_image("a"),
    "touch": lambda collection: collection._gallery.store.touch("a"),
    "make": lambda _: new()._gallery.store.get_or_create_collection_id(),
    "publish": number,
    "purge": purge,
    "write blocks": write_blocks,
}


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("name", WRITES)
def test_a_write_of_others_is_in_no_ones_way(
    collection: LocalCollection,
    other: sqlite3.Connection,
    caplog: pytest.LogCaptureFixture,
    name: str,
    inside: bool,
) -> None:
    if inside and name in ("publish", "purge", "write blocks"):
        pytest.skip("this has transactions of its own")
    with caplog.at_level(logging.INFO), connection.execute_wrapper(Meanwhile(other)):
        if inside:
            with transaction.atomic():
                WRITES[name](collection)
        else:
            WRITES[name](collection)
    assert caplog.records == []
    assert not IndexedImage.objects.filter(seq=None).exists()


@pytest.mark.parametrize("name", ["update", "add many", "delete", "touch"])
def test_no_savepoint_is_opened_in_a_transaction_of_the_callers(
    collection: LocalCollection, name: str
) -> None:
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        WRITES[name](collection)
    assert not [query for query in captured if query["sql"].startswith("SAVEPOINT")]


def let_go_soon(other: sqlite3.Connection, begin: str) -> threading.Thread:
    """Hold a lock for longer than a statement waits."""
    held = threading.Event()

    def hold() -> None:
        name = connection.settings_dict["NAME"]
        with closing(sqlite3.connect(name, timeout=5, isolation_level=None)) as one:
            one.execute(begin)
            held.set()
            time.sleep(0.8)
            one.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    return thread


@pytest.mark.parametrize("name", sorted(WRITES.keys() - {"publish", "purge"}))
def test_who_writes_comes_back_after_a_longer_transaction(
    collection: LocalCollection, other: sqlite3.Connection, name: str
) -> None:
    if name == "add in place of a deleted one":
        tombstone(collection)
        write: Callable[[LocalCollection], object] = WRITES["add many"]
    else:
        write = WRITES[name]
    thread = let_go_soon(other, "BEGIN IMMEDIATE")
    write(collection)
    thread.join()


def test_whom_to_number_waits_for_the_next_writer_without_a_warning(
    collection: LocalCollection, other: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    IndexedImage.objects.update(seq=None)
    other.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.WARNING):
        publish.publish("default", collection._gallery.store.get_or_create_collection_id())
    other.execute("ROLLBACK")
    assert caplog.records == []
    collection.add_image(image(2), "c")
    assert not IndexedImage.objects.filter(seq=None).exists()


@pytest.mark.parametrize(
    "read",
    [
        lambda collection: collection.search_images(image(1)),
        lambda collection: collection.search_images_by_id("a"),
        lambda collection: list(collection.iter_pairs()),
    ],
    ids=["search", "search by id", "pairs"],
)
@pytest.mark.parametrize("warm", [False, True])
def test_who_searches_comes_back(
    collection: LocalCollection,
    other: sqlite3.Connection,
    read: Callable[[LocalCollection], object],
    warm: bool,
) -> None:
    if warm:
        read(collection)
    thread = let_go_soon(other, "BEGIN EXCLUSIVE")
    assert read(collection)
    thread.join()


def test_who_reads_all_rows_in_a_thread_comes_back(
    collection: LocalCollection,
    other: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(vector_blocks, "LEAST", 1)
    write_blocks(collection)
    held._replicas.clear()
    threads: list[threading.Thread] = []
    read = replica.Replica._read_anew

    def meet_a_lock(self: replica.Replica[Any], key: str) -> Any:
        if not threads:
            threads.append(let_go_soon(other, "BEGIN EXCLUSIVE"))
        return read(self, key)

    monkeypatch.setattr(replica.Replica, "_read_anew", meet_a_lock)
    with caplog.at_level(logging.WARNING):
        collection.search_images(image(1))
        (early,) = held._replicas.values()
        early.wait()
    threads[0].join()
    connections.close_all()
    assert caplog.records == []
    assert not early.early


def test_a_lock_inside_a_transaction_of_the_callers_is_told_at_once(
    collection: LocalCollection, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"), transaction.atomic():
        collection.delete_image("a")
    other.execute("ROLLBACK")
    collection.delete_image("a")
