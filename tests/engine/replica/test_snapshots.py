from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.embedding import hash_identity
from django_visualsnoop.engine.index.memory import snapshot
from django_visualsnoop.engine.index.memory.snapshot import SnapshotError, open_snapshot
from django_visualsnoop.engine.lite0 import Lite0Embedding
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
from django_visualsnoop.engine.replica import held, replica, snapshots
from django_visualsnoop.engine.replica.vector_kinds import EmbeddingVectors
from tests.collections.contract import image
from tests.embeddings import MeanColour

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def small_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LEAST", 1)
    monkeypatch.setattr(snapshots, "_warned", set())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "made" / "cache"


@pytest.fixture
def collection(folder: Path) -> LocalCollection:
    return LocalCollection("shop", {"OPTIONS": {"cache": str(folder)}})


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the rows that enter the memory of the process."""
    read: list[str] = []
    take = replica.ReplicaImages.take

    def spied(images: replica.ReplicaImages[Any], row: replica.ReplicaRow) -> None:
        read.append(row.image_id)
        take(images, row)

    monkeypatch.setattr(replica.ReplicaImages, "take", spied)
    return read


def search(collection: LocalCollection, scene: int = 1) -> list[str]:
    found = collection.search_images(image(scene)).matches
    wait_for_snapshots()
    return sorted(match.image_id for match in found)


def wait_for_snapshots() -> None:
    for thread in threading.enumerate():
        if thread.name == "visualsnoop-snapshot":
            thread.join()


def filled(collection: LocalCollection, rows_read: list[str]) -> None:
    """Add three images, write a snapshot, and forget them as a new process does."""
    for image_id in ("a", "b", "c"):
        collection.add_image(image(1), image_id)
    assert search(collection) == ["a", "b", "c"]
    start_again(rows_read)


def start_again(rows_read: list[str]) -> None:
    held._replicas.clear()
    rows_read.clear()


def test_a_new_process_reads_only_what_came_since(
    collection: LocalCollection, folder: Path, rows_read: list[str]
) -> None:
    filled(collection, rows_read)
    assert search(collection) == ["a", "b", "c"]
    assert rows_read == []
    collection.add_image(image(1), "d")
    collection.delete_image("a")
    collection.add_image(image(2), "b", update_existing=True)
    start_again(rows_read)
    assert search(collection) == ["c", "d"]
    assert sorted(rows_read) == ["a", "b", "d"]
    start_again(rows_read)  # written again
    assert search(collection, 2) == ["b"]
    assert rows_read == []
    if sys.platform != "win32":
        assert folder.stat().st_mode & 0o777 == 0o700


def test_one_in_an_earlier_format_is_built_again(
    collection: LocalCollection, rows_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(snapshot, "_FORMAT", 1)
        filled(collection, rows_read)
    assert search(collection) == ["a", "b", "c"]
    assert sorted(rows_read) == ["a", "b", "c"]
    start_again(rows_read)
    assert search(collection) == ["a", "b", "c"]
    assert rows_read == []


def test_it_is_written_as_soon_as_there_are_enough(
    collection: LocalCollection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "LEAST", 4)
    monkeypatch.setattr(snapshots, "CHANGED", 0.5)
    for image_id, written in (("a", False), ("b", False), ("c", False), ("d", True)):
        collection.add_image(image(1), image_id)
        search(collection)
        assert bool(list(folder.glob("*.snapshot"))) is written


def test_a_transaction_neither_reads_nor_writes_one(
    collection: LocalCollection, folder: Path, rows_read: list[str]
) -> None:
    with transaction.atomic():
        collection.add_image(image(1), "a")
        assert search(collection) == ["a"]
        transaction.set_rollback(True)
    assert not folder.exists()
    filled(collection, rows_read)
    with transaction.atomic():
        collection.add_image(image(1), "phantom")
        assert search(collection) == ["a", "b", "c", "phantom"]
        transaction.set_rollback(True)
    start_again(rows_read)
    assert search(collection) == ["a", "b", "c"]


def test_a_damaged_one_is_written_anew(
    collection: LocalCollection,
    folder: Path,
    rows_read: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    filled(collection, rows_read)
    (path,) = folder.glob("*.snapshot")
    path.write_bytes(path.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING):
        assert search(collection) == ["a", "b", "c"]
    assert "will be written again" in caplog.text
    start_again(rows_read)
    assert search(collection) == ["a", "b", "c"]
    assert rows_read == []


def test_a_restored_backup_that_counts_backwards(
    collection: LocalCollection, rows_read: list[str]
) -> None:
    filled(collection, rows_read)
    IndexedImage.objects.filter(image_id="c").delete()
    Collection.objects.update(seq=2)
    assert search(collection) == ["a", "b"]


def test_a_restored_backup_whose_numbers_were_given_again(
    collection: LocalCollection, rows_read: list[str]
) -> None:
    filled(collection, rows_read)
    IndexedImage.objects.filter(image_id="c").delete()
    Collection.objects.update(seq=2)
    collection.add_image(image(1), "other")  # has the number of the lost one
    collection.add_image(image(1), "later")
    assert Collection.objects.get().seq == 4
    assert search(collection) == ["a", "b", "later", "other"]


def test_one_older_than_the_horizon(collection: LocalCollection, rows_read: list[str]) -> None:
    filled(collection, rows_read)
    collection.delete_image("b")
    deleted = IndexedImage.objects.get(image_id="b")
    IndexedImage.objects.filter(pk=deleted.pk).delete()  # as purge does
    Collection.objects.update(horizon=deleted.seq)
    assert search(collection) == ["a", "c"]


def test_a_table_made_anew(collection: LocalCollection, rows_read: list[str]) -> None:
    filled(collection, rows_read)
    IndexedImage.objects.all().delete()
    Collection.objects.all().delete()
    for image_id in ("x", "y", "z"):
        collection.add_image(image(2), image_id)
    assert search(collection) == []
    assert search(collection, 2) == ["x", "y", "z"]


def test_images_that_no_search_finds_are_in_none(collection: LocalCollection, folder: Path) -> None:
    collection.add_image(image(1), "a")
    collection.add_image(image(1), "b")
    IndexedImage.objects.filter(image_id="b").update(version=1)
    assert search(collection) == ["a"]
    assert not list(folder.glob("*.snapshot"))


@pytest.mark.parametrize("how", ["a file", "others may write"])
def test_a_folder_that_cannot_be_used(
    collection: LocalCollection, folder: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.mkdir()
    if how == "a file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o777)
        if not hasattr(os, "getuid"):
            pytest.skip("needs POSIX")
    with caplog.at_level(logging.WARNING):
        for image_id in ("a", "b"):
            collection.add_image(image(1), image_id)
            search(collection)
    assert search(collection) == ["a", "b"]
    assert len(caplog.records) == 1
    assert str(folder) in caplog.text


def test_a_full_disk(
    collection: LocalCollection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*args: object) -> bool:
        raise OSError("No space left on device")

    monkeypatch.setattr(snapshots, "write_snapshot", full)
    collection.add_image(image(1), "a")
    with caplog.at_level(logging.WARNING):
        assert search(collection) == ["a"]
    assert "No space left" in caplog.text
    assert ("default", key_of("shop"), "") in held._replicas


def similar(collection: LocalCollection) -> list[str]:
    options = SearchOptions(kind="similar", min_similarity=0.0)
    found = collection.search_images(image(1), options).matches
    wait_for_snapshots()
    return sorted(match.image_id for match in found)


@pytest.mark.parametrize("centred", [True, False])
def test_embeddings_have_a_snapshot_of_their_own(
    folder: Path, rows_read: list[str], centred: bool
) -> None:
    model = Lite0Embedding() if centred else MeanColour()
    collection = LocalCollection("shop", {"OPTIONS": {"cache": str(folder), "embedding": model}})
    for number in range(3):
        collection.add_image(image(number), str(number))
    assert similar(collection) == ["0", "1", "2"]
    assert len(list(folder.glob("*.snapshot"))) == 2
    start_again(rows_read)
    assert similar(collection) == ["0", "1", "2"]
    assert rows_read == []
    assert collection.search_images_by_id("1", SearchOptions(kind="similar")).image is not None
    collection.add_image(image(1), "3")
    collection.delete_image("0")
    assert similar(collection) == ["1", "2", "3"]
    assert sorted(rows_read) == ["0", "0", "3", "3"]  # each for copies and for similar images
    # Enough has changed for new snapshots, of what the old ones and the rows hold together.
    start_again(rows_read)
    assert similar(collection) == ["1", "2", "3"]
    assert rows_read == []


def test_another_models_embeddings_are_not_read_from_a_snapshot(
    folder: Path, rows_read: list[str]
) -> None:
    options: dict[str, Any] = {"cache": str(folder), "embedding": MeanColour()}
    collection = LocalCollection("shop", {"OPTIONS": options})
    collection.add_image(image(1), "a")
    collection.add_image(image(2), "b")
    assert similar(collection) == ["a", "b"]
    start_again(rows_read)
    other = LocalCollection("shop", {"OPTIONS": {**options, "embedding": Lite0Embedding()}})
    assert similar(other) == ["a"]  # a copy
    assert set(rows_read) == {"a", "b"}
    # Even under the other's name, the file says whose it is.
    (path,) = (one for one in folder.glob("*.snapshot") if len(one.stem) > 30)
    kind = EmbeddingVectors(hash_identity(Lite0Embedding()))
    with pytest.raises(SnapshotError, match="other descriptors"):
        open_snapshot(path, kind.layout)


def test_damaged_embeddings_are_read_from_the_rows(folder: Path, rows_read: list[str]) -> None:
    options: dict[str, Any] = {"cache": str(folder), "embedding": MeanColour()}
    collection = LocalCollection("shop", {"OPTIONS": options})
    for number in range(3):
        collection.add_image(image(number), str(number))
    assert similar(collection) == ["0", "1", "2"]
    (path,) = (one for one in folder.glob("*.snapshot") if len(one.stem) > 30)
    content = bytearray(path.read_bytes())
    content[-200:] = bytes(200)
    path.write_bytes(content)
    start_again(rows_read)
    assert similar(collection) == ["0", "1", "2"]
    assert sorted(rows_read) == ["0", "1", "2"]
