"""The rows of a collection: in a database that is not the default, beside another collection."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections, transaction
from django.db.models import OuterRef

from django_visualsnoop.engine.exceptions import ImageExists, ImageMissing
from django_visualsnoop.engine.models import Collection, IndexedImage, VectorBlock
from django_visualsnoop.engine.storage import publish, reading
from django_visualsnoop.engine.storage.reading import versions
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.engine.storage.times import read_clock
from django_visualsnoop.engine.storage.values import ImageDetails, NewImage, StoredDescriptor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def store() -> Store:
    Store("other", "beside").put([new("a", digest="beside"), new("beside")])
    return Store("other", "shop")


def new(image_id: str, **values: Any) -> NewImage:
    known: dict[str, Any] = {
        "vector": b"vector",
        "version": 1,
        "digest": "digest",
        "width": 3,
        "height": 2,
    }
    return NewImage(image_id, **(known | values))


def row(image_id: str) -> IndexedImage:
    return IndexedImage.objects.using("other").get(collection__name="shop", image_id=image_id)


def test_an_id_is_taken_once(store: Store) -> None:
    before = read_clock()
    added = store.add(new("a"))
    assert not added.existed
    assert before < added.image_time < read_clock()
    with pytest.raises(ImageExists, match=r"^The image id 'a' exists already\.$"):
        store.add(new("a", digest="other"))
    assert row("a").digest == "digest"
    assert store.get("a") == added._replace(existed=True)
    assert Collection.objects.using("other").get(name="shop").pk == added.collection_id
    assert not Collection.objects.exists()


def test_nothing_is_made_by_asking() -> None:
    store = Store("other", "shop")
    assert store.find_collection_id() is None
    assert store.count() == 0
    assert store.read_page(None, 5) == (None, [], None)
    for ask in (
        store.get,
        store.delete,
        store.touch,
        lambda image_id: store.read_page(image_id, 5),
    ):
        with pytest.raises(ImageMissing, match=r"^The collection holds no image 'a'\.$"):
            ask("a")
    assert not Collection.objects.using("other").exists()


def test_a_deleted_image_leaves_nothing_of_the_picture(store: Store) -> None:
    store.put(
        [
            new("a", embedding=b"embedding", embedding_model="model", embedding_digest="digest"),
            new("b"),
        ]
    )
    known, before = store.get("a"), row("a")
    assert store.delete("a") == known
    after = row("a")
    assert bytes(after.vector) == b""
    assert (after.digest, after.embedding, after.embedding_model, after.embedding_digest) == (
        "",
        None,
        "",
        "",
    )
    assert after.deleted is not None
    assert after.deleted > known.image_time
    assert after.seq is not None
    assert before.seq is not None
    assert after.seq > before.seq
    for ask in (store.get, store.delete, store.touch):
        with pytest.raises(ImageMissing, match="'a'"):
            ask("a")
    assert list(store.iterate_ids()) == ["b"]
    assert store.count() == 1


def test_what_was_deleted_can_be_added_again(store: Store) -> None:
    first = store.add(new("a"))
    store.delete("a")
    again = store.add(new("a", vector=b"other", version=2, digest="new", width=30, height=20))
    assert not again.existed
    assert again.image_time > first.image_time
    assert store.get("a").image_time == again.image_time
    assert list(store.read_descriptors(["a"])) == [StoredDescriptor("a", b"other", 30, 20, 2)]
    assert row("a").version == 2
    assert row("a").deleted is None
    assert row("a").seq is not None
    assert IndexedImage.objects.using("other").filter(collection__name="shop").count() == 1


def test_many_are_told_in_the_order_in_which_they_were_given(store: Store) -> None:
    store.put([new("kept"), new("deleted"), new("replaced")])
    store.delete("deleted")
    ids = ["new", "replaced", "deleted", "newer"]
    given = [new(image_id, digest=image_id) for image_id in ids]
    put = store.put(given, times=[40, 30, 20, 10])
    assert [(one.image_id, one.image_time, one.existed) for one in put] == [
        ("new", 40, False),
        ("replaced", 30, True),
        ("deleted", 20, False),
        ("newer", 10, False),
    ]
    assert {one.collection_id for one in put} == {store.find_collection_id()}
    assert [row(image_id).digest for image_id in ids] == ids
    assert [one.image_id for one in store.read_page(None, 9).images] == ["kept", *ids]
    assert Store("other", "beside").get("a").image_time > 40


def test_many_without_times_are_of_now_each_later_than_the_one_before(store: Store) -> None:
    before = read_clock()
    times = [one.image_time for one in store.put([new("b"), new("a"), new("c")])]
    assert before < times[0] < times[1] < times[2] < read_clock()
    with pytest.raises(ValueError, match="shorter"):
        store.put([new("d"), new("e")], times=[1])


def test_a_touched_image_is_numbered_anew_and_keeps_its_time(store: Store) -> None:
    first = store.add(new("a"))
    store.add(new("b"))
    before = row("a").seq
    assert before is not None
    assert store.touch("a") == first._replace(existed=True)
    after = row("a").seq
    assert after is not None
    assert after > before
    assert row("b").seq != after
    assert [one.image_id for one in store.read_page(None, 2).images] == ["b", "a"]


def test_rows_are_numbered_when_their_own_database_commits(store: Store) -> None:
    with transaction.atomic(using="other"):
        store.add(new("a"))
        store.put([new("b")])
        assert row("a").seq is row("b").seq is None
    assert None not in {row("a").seq, row("b").seq}
    with transaction.atomic():  # of another database, where it does not matter
        store.add(new("c"))
        assert row("c").seq is not None


def test_numbering_and_purging_hold_the_lock_of_their_own_database(store: Store) -> None:
    inside: list[bool] = []

    def execute(run: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if sql.startswith("UPDATE"):
            inside.append(connections["other"].in_atomic_block)
        return run(sql, *arguments)

    store.put([new("a"), new("b")])
    store.delete("a")
    IndexedImage.objects.using("other").filter(image_id="b").update(seq=None)
    collection_id = store.get_or_create_collection_id()
    with connections["other"].execute_wrapper(execute):
        publish.publish("other", collection_id)
        assert inside == [True, True]  # the lock, then the numbers
        for _ in range(2):
            publish.purge("other", collection_id, older_than_seconds=-60)
    assert len(inside) > 3
    assert all(inside)
    assert not IndexedImage.objects.using("other").filter(deleted__isnull=False).exists()


def test_what_is_known_is_read_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_PAGE", 2)
    ids = ["a", "b", "c", "d", "e"]
    store.put([new(image_id, digest=image_id, width=9) for image_id in ids], times=range(1, 6))
    store.put([new("deleted"), new("newer", version=2)])
    store.delete("deleted")
    asked = [*ids, "deleted", "beside", "unknown"]
    assert store.read_details(asked) == {
        image_id: ImageDetails(image_id, number, image_id, 9, 2)
        for number, image_id in enumerate(ids, start=1)
    }
    described = sorted(store.read_descriptors(asked))
    assert described == [StoredDescriptor(image_id, b"vector", 9, 2, 1) for image_id in ids]
    assert sorted(store.iterate_ids()) == [*ids, "newer"]
    assert sorted(store.iterate_ids_of_version(1)) == ids
    assert list(store.iterate_ids_of_version(2)) == ["newer"]
    assert store.count() == 6


def test_a_page_tells_where_the_next_one_starts(store: Store) -> None:
    ids = ["e", "d", "c", "b", "a"]
    store.put([new(image_id) for image_id in ids], times=[5, 4, 3, 2, 1])
    first = store.read_page(None, 2)
    assert first.collection_id == store.find_collection_id()
    assert [(one.image_id, one.image_time, one.existed) for one in first.images] == [
        ("e", 5, True),
        ("d", 4, True),
    ]
    assert {one.collection_id for one in first.images} == {first.collection_id}
    assert first.next_image_id == "c"
    assert [one.image_id for one in store.read_page("c", 2).images] == ["c", "b"]
    last = store.read_page("b", 2)
    assert ([one.image_id for one in last.images], last.next_image_id) == (["b", "a"], None)
    store.delete("c")
    assert [one.image_id for one in store.read_page("c", 1).images] == ["b"]
    with pytest.raises(ImageMissing, match=r"^The collection holds no image 'beside'\.$"):
        store.read_page("beside", 2)


def test_embeddings_are_outdated_by_another_model_or_a_file_replaced_lately(store: Store) -> None:
    def embedded(image_id: str, embedding_model: str, embedding_digest: str = "digest") -> NewImage:
        return new(
            image_id,
            embedding=b"x",
            embedding_model=embedding_model,
            embedding_digest=embedding_digest,
        )

    now = read_clock()
    day = 24 * 3600 * 1_000_000
    images = {
        embedded("current", "m"): now,
        embedded("earlier model", "a"): 1,
        embedded("later model", "z"): now,
        embedded("yet another model", "b"): now,
        new("no model"): 1,
        embedded("replaced", "m", "older"): now - day + 60_000_000,
        embedded("replaced long ago", "m", "older"): now - day - 60_000_000,
        new("of another version", version=2): now,
        embedded("deleted", "m"): now,
    }
    store.put(list(images), times=list(images.values()))
    store.delete("deleted")
    assert sorted(store.iterate_ids_of_other_embedding("m", 1)) == [
        "earlier model",
        "later model",
        "no model",
        "replaced",
        "yet another model",
    ]


def test_no_time_is_given_twice_though_the_clock_stands_or_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = read_clock()
    assert abs(known - time.time() * 1_000_000) < 60_000_000
    for later, clock in enumerate((0, known * 1000 - 5_000_000, known * 1000), start=1):
        monkeypatch.setattr(time, "time_ns", lambda clock=clock: clock)
        assert read_clock() == known + later
    monkeypatch.setattr(time, "time_ns", lambda: (known + 10) * 1000)
    assert read_clock() == known + 10


@contextmanager
def between_look_and_write(table: str, act: Callable[[], object]) -> Iterator[None]:
    """Let somebody else act, on another connection, once a row of a table was looked for."""
    looked = done = False
    quoted = connections["other"].ops.quote_name(table)

    def execute(run: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        nonlocal looked, done
        if looked and not done:
            done = True
            with ThreadPoolExecutor(max_workers=1) as pool:
                pool.submit(act).result()
                pool.submit(connections.close_all).result()
        looked = looked or (sql.startswith("SELECT") and f"FROM {quoted}" in sql)
        return run(sql, *arguments)

    with connections["other"].execute_wrapper(execute):
        yield
    assert done


def test_who_adds_an_id_first_has_it(store: Store) -> None:
    store.add(new("first"))
    images = IndexedImage._meta.db_table
    with (
        between_look_and_write(images, lambda: store.add(new("a", digest="theirs"))),
        pytest.raises(ImageExists, match="'a'"),
    ):
        store.add(new("a", digest="ours"))
    assert row("a").digest == "theirs"
    store.delete("a")
    with (
        between_look_and_write(images, lambda: store.add(new("a", digest="theirs again"))),
        pytest.raises(ImageExists, match="'a'"),
    ):
        store.add(new("a", digest="ours"))
    assert row("a").digest == "theirs again"


@pytest.mark.parametrize("name", ["touch", "delete"])
def test_what_somebody_else_deletes_first_is_missing(store: Store, name: str) -> None:
    store.add(new("a"))
    with (
        between_look_and_write(IndexedImage._meta.db_table, lambda: store.delete("a")),
        pytest.raises(ImageMissing, match="'a'"),
    ):
        getattr(store, name)("a")
    assert row("a").seq is not None


def test_two_who_make_a_collection_make_one(store: Store) -> None:
    made: list[str] = []
    with between_look_and_write(
        Collection._meta.db_table, lambda: made.append(store.get_or_create_collection_id())
    ):
        assert store.get_or_create_collection_id() == store.find_collection_id()
    assert made == [store.find_collection_id()]
    assert Collection.objects.using("other").get(name="shop").pk == made[0]


def test_a_version_changes_with_each_published_write(store: Store) -> None:
    assert store.version() is None
    assert versions("other", ["shop", "nothing"]) == {}
    store.add(new("a"))
    first = store.version()
    assert first == store.published_version()
    assert first is not None
    assert first.collection_id == store.find_collection_id()
    store.touch("a")
    second = store.version()
    assert second is not None
    assert second.seq > first.seq
    assert set(versions("other", ["shop", "beside", "nothing"])) == {"shop", "beside"}
    assert versions("other", ["shop"]) == {"shop": second}


def test_a_version_can_be_had_before_the_first_write(store: Store) -> None:
    made = store.published_version()
    assert made.collection_id == store.find_collection_id()
    assert made[1:] == (0, 0)
    assert store.changes_since(made.collection_id, 0, 10) == ([], None, False)


def test_changes_come_each_once_as_they_are_now(store: Store) -> None:
    store.put([new("a"), new("b")])
    start = store.published_version()
    store.add(new("c"))
    store.delete("a")
    changes = store.changes_since(start.collection_id, start.seq, 10)
    assert changes.changes == [("c", False), ("a", True)]
    assert changes.seq == store.published_version().seq
    assert not changes.more
    page = store.changes_since(start.collection_id, 0, 1)
    assert page == ([("b", False)], start.seq, True)
    assert store.changes_since("00000000", 0, 10).changes == []


def test_a_descriptor_is_replaced_of_the_same_file_only(store: Store) -> None:
    before = store.add(new("a", digest="of a"))
    start = store.published_version()
    assert store.replace_descriptor(new("a", digest="of a", vector=b"better", version=2))
    assert (bytes(row("a").vector), row("a").version) == (b"better", 2)
    assert row("a").image_time == before.image_time
    changes = store.changes_since(start.collection_id, start.seq, 10).changes
    assert changes == [("a", False)]
    assert not store.replace_descriptor(new("a", digest="of another", vector=b"other"))
    assert not store.replace_descriptor(new("b"))
    store.delete("a")
    assert not store.replace_descriptor(new("a", digest="of a"))
    assert bytes(row("a").vector) == b""


def test_a_file_that_is_replaced_meanwhile_keeps_its_own_descriptor(store: Store) -> None:
    store.add(new("a", digest="of a"))
    with between_look_and_write(
        IndexedImage._meta.db_table, lambda: store.put([new("a", digest="b", vector=b"of b")])
    ):
        assert not store.replace_descriptor(new("a", digest="of a", vector=b"better"))
    assert bytes(row("a").vector) == b"of b"


def test_dropping_deletes_one_collection_with_its_blocks(store: Store) -> None:
    store.put([new("a"), new("b")])
    for name in ("shop", "beside"):
        collection = Collection.objects.using("other").get(name=name)
        VectorBlock.objects.using("other").create(
            collection=collection, seq=1, place=0, content=b"x"
        )
    store.drop()
    store.drop()
    assert store.version() is None
    assert IndexedImage.objects.using("other").filter(collection__name="shop").count() == 0
    assert VectorBlock.objects.using("other").count() == 1
    assert Store("other", "beside").count() == 2
    assert store.add(new("a")).collection_id == store.find_collection_id()


def test_usage_counts_what_is_there(store: Store) -> None:
    assert store.usage() == (0, 0, None)
    added = store.add(new("a", vector=b"12345"))
    assert store.usage() == (1, 5, added.image_time)
    store.delete("a")
    usage = store.usage()
    assert usage[:2] == (0, 0)
    assert usage.changed is not None
    assert usage.changed > added.image_time


def test_other_tables_can_be_asked_for_keys_of_images(store: Store) -> None:
    store.put([new("a"), new("gone")])
    store.delete("gone")
    rows = IndexedImage.objects.using("other").filter(collection__name="shop")
    there = rows.filter(store.has_key(OuterRef("key"))).values_list("image_id", flat=True)
    assert list(there) == ["a"]
    assert rows.filter(store.has_key(Store.image_key("a"))).count() == 2
    assert not rows.filter(store.has_key(Store.image_key("beside"))).exists()
