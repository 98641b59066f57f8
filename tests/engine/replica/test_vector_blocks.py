"""Answers of a process that has just started, by the vectors that the database keeps in blocks."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.db import DatabaseError, transaction

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine.models import Collection, IndexedImage, VectorBlock, key_of
from django_visualsnoop.engine.replica import held, replica, snapshots, vector_blocks
from django_visualsnoop.engine.storage import publish
from tests.collections.contract import image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def small_collections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(vector_blocks, "LEAST", 1)
    monkeypatch.setattr(vector_blocks, "IMAGES", 2)
    monkeypatch.setattr(replica, "_ASK_AGAIN_SECONDS", 0.0)
    yield
    join()


@pytest.fixture
def collection() -> LocalCollection:
    return LocalCollection("shop", {})


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Once it is set, threads may read all rows."""
    may_read = threading.Event()
    read_all = replica.Replica._read_all

    def held(*args: Any) -> None:
        assert may_read.wait(60)
        read_all(*args)

    monkeypatch.setattr(replica.Replica, "_read_all", held)
    yield may_read
    may_read.set()
    join()


def join() -> None:
    for thread in threading.enumerate():
        if thread.name in ("visualsnoop-rows", "visualsnoop-blocks", "visualsnoop-snapshot"):
            thread.join()


def search(collection: LocalCollection, scene: int = 1) -> list[str]:
    found = collection.search_images(image(scene)).matches
    return sorted(match.image_id for match in found)


def filled(collection: LocalCollection, *image_ids: str) -> None:
    """Add images, have the blocks written, and forget all as a new process does."""
    for image_id in image_ids or ("a", "b", "c", "d", "e"):
        collection.add_image(image(1), image_id)
    assert search(collection)
    join()
    assert Collection.objects.get().blocks_seq == Collection.objects.get().seq
    held._replicas.clear()


def remembered() -> replica.Replica[DescriptorIndex]:
    return held._replicas["default", key_of("shop"), ""]


def knows_features() -> bool:
    return all(len(part.segment.lists.codes) for part in remembered().images.index.list_parts())


def test_vectors_answer_until_the_rows_are_read(
    collection: LocalCollection, reading: threading.Event
) -> None:
    filled(collection)
    assert search(collection) == ["a", "b", "c", "d", "e"]
    assert remembered().early
    assert not knows_features()
    assert [hit.image_id for hit in collection.search_images_by_id("a").matches]
    assert [thread.name for thread in threading.enumerate()].count("visualsnoop-rows") == 1
    reading.set()
    join()
    assert not remembered().early
    assert knows_features()
    assert search(collection) == ["a", "b", "c", "d", "e"]


def test_who_looks_for_pairs_writes_blocks_too(collection: LocalCollection) -> None:
    for image_id in ("a", "b", "c"):
        collection.add_image(image(1), image_id)
    assert len(list(collection.iter_pairs())) >= 2
    join()
    assert Collection.objects.get().blocks_seq == Collection.objects.get().seq


def test_what_came_after_the_blocks_is_found_at_once(
    collection: LocalCollection, reading: threading.Event
) -> None:
    filled(collection)
    collection.delete_image("a")
    collection.add_image(image(2), "b", update_existing=True)
    collection.add_image(image(1), "f")
    assert search(collection) == ["c", "d", "e", "f"]
    assert search(collection, 2) == ["b"]
    assert remembered().early
    collection.delete_image("c")
    assert search(collection) == ["d", "e", "f"]
    reading.set()
    join()
    collection.add_image(image(1), "g")
    assert search(collection) == ["d", "e", "f", "g"]
    assert search(collection, 2) == ["b"]


def test_a_transaction_is_followed_and_undone(
    collection: LocalCollection, reading: threading.Event
) -> None:
    filled(collection)
    with transaction.atomic():
        collection.add_image(image(1), "phantom")
        assert search(collection) == ["a", "b", "c", "d", "e", "phantom"]
        transaction.set_rollback(True)
    assert search(collection) == ["a", "b", "c", "d", "e"]
    assert remembered().early
    reading.set()
    join()
    assert search(collection) == ["a", "b", "c", "d", "e"]


def test_pairs_wait_for_the_rows(collection: LocalCollection, reading: threading.Event) -> None:
    filled(collection, "a", "b")
    assert search(collection) == ["a", "b"]
    assert remembered().early
    threading.Timer(0.2, reading.set).start()
    assert [(pair.first_id, pair.second_id) for pair in collection.iter_pairs()] == [("a", "b")]
    assert not remembered().early
    assert knows_features()


def test_pairs_of_a_new_process_read_the_rows_themselves(
    collection: LocalCollection, reading: threading.Event
) -> None:
    filled(collection, "a", "b")
    assert len(list(collection.iter_pairs())) == 1
    assert not reading.is_set()
    assert knows_features()


def test_who_has_read_all_rows_writes_the_snapshot(
    monkeypatch: pytest.MonkeyPatch, reading: threading.Event, tmp_path: Path
) -> None:
    monkeypatch.setattr(snapshots, "LEAST", 1)
    collection = LocalCollection("shop", {"OPTIONS": {"cache": str(tmp_path / "cache")}})
    filled(collection)
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    assert search(collection) == ["a", "b", "c", "d", "e"]
    assert remembered().early
    assert not list((tmp_path / "cache").glob("*.snapshot"))
    reading.set()
    join()
    join()  # what the first one has started
    assert list((tmp_path / "cache").glob("*.snapshot"))
    held._replicas.clear()
    assert search(collection) == ["a", "b", "c", "d", "e"]
    assert not remembered().early


def test_who_wants_it_waits(collection: LocalCollection, reading: threading.Event) -> None:
    filled(collection)
    patient = LocalCollection("shop", {"OPTIONS": {"early": False}})
    assert search(patient) == ["a", "b", "c", "d", "e"]
    assert knows_features()
    assert not reading.is_set()


def test_who_waits_writes_none() -> None:
    patient = LocalCollection("shop", {"OPTIONS": {"early": False}})
    patient.add_image(image(1), "a")
    assert search(patient) == ["a"]
    join()
    assert not VectorBlock.objects.exists()


def test_small_collections_have_none(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_blocks, "LEAST", 3)
    for image_id, some in (("a", False), ("b", False), ("c", True)):
        collection.add_image(image(1), image_id)
        search(collection)
        join()
        assert VectorBlock.objects.exists() is some


@pytest.mark.parametrize("count", [1, 2, 5])
def test_blocks_hold_ids_and_vectors_exactly(collection: LocalCollection, count: int) -> None:
    image_ids = ["ä/1", "日本", "b" * 100, "c", "d"][:count]
    for number, image_id in enumerate(image_ids):
        collection.add_image(image(number), image_id)
    collection.add_image(image(7), "gone")
    collection.delete_image("gone")
    search(collection)
    join()
    (row,) = Collection.objects.all()
    assert VectorBlock.objects.count() >= (count + 1) // 2
    segment = vector_blocks.load("default", row.pk, row.blocks_seq)
    assert segment is not None
    index = remembered().images.index
    assert sorted(segment.ids.get_ids(np.arange(segment.size))) == sorted(image_ids)
    for slot in range(segment.size):
        expected = index.get_vector(segment.ids.get_id(slot))
        assert expected is not None
        assert segment.vectors[slot].tolist() == expected.tolist()
    ((whole, _),) = index.list_parts()
    assert [bits.tolist() for bits in segment.bits] == [bits.tolist() for bits in whole.bits]


@pytest.mark.parametrize(
    "damage", ["cut off", "a bit", "another version", "another total", "twice", "all are missing"]
)
def test_what_is_not_as_written_is_not_used(
    collection: LocalCollection,
    reading: threading.Event,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    filled(collection)
    block = VectorBlock.objects.order_by("-place")[0]
    content = bytearray(block.content)
    if damage == "all are missing":
        VectorBlock.objects.all().delete()
    elif damage == "twice":  # as if another process had written this one
        content = bytearray(VectorBlock.objects.order_by("place")[0].content)
    elif damage == "cut off":
        content = content[:-1]
    elif damage == "a bit":
        content[-1] ^= 1
    else:
        content[4 if damage == "another version" else 6] += 1
        content[:4] = zlib.crc32(content[4:]).to_bytes(4, "little")
    VectorBlock.objects.filter(pk=block.pk).update(content=bytes(content))
    with caplog.at_level(logging.WARNING):
        assert search(collection) == ["a", "b", "c", "d", "e"]
    assert "Could not use the blocks" in caplog.text
    assert knows_features()
    assert not reading.is_set()


@pytest.mark.parametrize("together", [2, 16])
@pytest.mark.parametrize("place", [0, 1, 3, 4])
def test_whichever_block_is_missing_none_is_used(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch, place: int, together: int
) -> None:
    monkeypatch.setattr(vector_blocks, "IMAGES", 1)
    monkeypatch.setattr(vector_blocks, "_TOGETHER", together)
    filled(collection)
    (row,) = Collection.objects.all()
    segment = vector_blocks.load("default", row.pk, row.blocks_seq)
    assert segment is not None
    assert segment.size == 5
    VectorBlock.objects.get(place=place).delete()
    assert vector_blocks.load("default", row.pk, row.blocks_seq) is None


def test_a_block_cut_anywhere_is_refused(collection: LocalCollection) -> None:
    filled(collection)
    content = bytes(VectorBlock.objects.order_by("place")[0].content)
    assert vector_blocks._decode_content(content).total == 5
    for length in range(len(content)):
        with pytest.raises(ValueError, match=r"cut off|damaged"):
            vector_blocks._decode_content(content[:length])


def test_they_are_written_anew_once_a_tenth_has_changed(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_blocks, "CHANGED", 0.5)
    filled(collection, "a", "b", "c", "d")
    before = Collection.objects.get().blocks_seq
    for image_id, rewritten in (
        ("e", False),
        ("f", False),
        ("g", False),
        ("h", False),
        ("i", True),
    ):
        collection.add_image(image(1), image_id)
        search(collection)
        join()
        assert (Collection.objects.get().blocks_seq > before) is rewritten, image_id
    seqs = set(VectorBlock.objects.values_list("seq", flat=True))
    assert seqs == {Collection.objects.get().blocks_seq}


def test_only_one_process_at_a_time_writes_them(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add_image(image(1), "a")
    Collection.objects.update(blocks_leased_at=time.time() * 1_000_000)
    search(collection)
    join()
    assert not VectorBlock.objects.exists()
    monkeypatch.setattr(vector_blocks, "_LEASE_SECONDS", 0.0)  # it died
    held._replicas.clear()
    search(collection)
    join()
    assert VectorBlock.objects.count() == 1
    assert Collection.objects.get().blocks_leased_at == 0


def test_vectors_of_deleted_images_do_not_stay(
    collection: LocalCollection, reading: threading.Event
) -> None:
    filled(collection)
    collection.delete_image("a")
    (row,) = Collection.objects.all()
    publish.purge("default", row.pk, older_than_seconds=-60)
    assert Collection.objects.get().horizon > row.blocks_seq
    assert not VectorBlock.objects.exists()
    assert search(collection) == ["b", "c", "d", "e"]
    assert not reading.is_set()
    join()  # a process has written them anew
    held._replicas.clear()
    assert search(collection) == ["b", "c", "d", "e"]
    assert remembered().early


def test_a_failing_reader_is_not_hidden(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    filled(collection)

    def fail(*args: object) -> None:
        raise DatabaseError("gone away")

    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING):
        broken.setattr(replica, "read_state", fail)
        assert search(collection) == ["a", "b", "c", "d", "e"]
        join()
    assert "gone away" in caplog.text
    assert remembered().early
    # Whoever asks next reads the rows, and would see the error.
    assert search(collection) == ["a", "b", "c", "d", "e"]
    assert not remembered().early
    assert knows_features()


def test_failing_to_write_them_is_harmless(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise DatabaseError("read-only")

    monkeypatch.setattr(VectorBlock, "save", fail)
    collection.add_image(image(1), "a")
    with caplog.at_level(logging.WARNING):
        assert search(collection) == ["a"]
        join()
    assert "read-only" in caplog.text
    assert Collection.objects.get().blocks_seq == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_reads_the_rows_itself(
    collection: LocalCollection, reading: threading.Event
) -> None:
    filled(collection)
    assert search(collection) == ["a", "b", "c", "d", "e"]
    reader = remembered()._reader
    held._after_fork()
    assert search(collection) == ["a", "b", "c", "d", "e"]
    assert remembered()._reader not in (None, reader)
    reading.set()
    join()
    assert not remembered().early


def test_rows_without_a_vector_stay_out(collection: LocalCollection) -> None:
    collection.add_image(image(1), "a")
    collection.add_image(image(1), "b")
    IndexedImage.objects.filter(image_id="b").update(version=1)
    assert search(collection) == ["a"]
    join()
    assert not VectorBlock.objects.exists()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_searches_are_exact(
    collection: LocalCollection, reading: threading.Event, seed: int
) -> None:
    dice = random.Random(seed)
    shown: dict[str, int] = {}
    early = 0
    for _ in range(60):
        image_id = dice.choice("abcdef")
        step = dice.choice(["add", "add", "delete", "new process", "rest", "purge"])
        if step == "add":
            shown[image_id] = dice.choice([1, 2])
            collection.add_image(image(shown[image_id]), image_id, update_existing=True)
        elif step == "delete" and image_id in shown:
            del shown[image_id]
            collection.delete_image(image_id)
        elif step == "new process":
            held._replicas.clear()
        elif step == "rest":
            reading.set()
            join()
            reading.clear()
        elif step == "purge" and shown:
            key = Collection.objects.get().pk
            publish.purge("default", key, older_than_seconds=dice.choice([-60, 60]))
        for scene in (1, 2):
            expected = sorted(known for known, its in shown.items() if its == scene)
            assert search(collection, scene) == expected
        early += bool(shown) and remembered().early
    assert early
