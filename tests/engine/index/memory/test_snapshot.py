from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors import descriptor
from django_visualsnoop.engine.index.base import CandidateQuery
from django_visualsnoop.engine.index.memory import snapshot
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.memory.snapshot import (
    Facts,
    SnapshotError,
    open_snapshot,
    write_snapshot,
)
from tests.engine.index.memory.brute_force import features_of, made

if TYPE_CHECKING:
    from django_visualsnoop.engine.descriptors.descriptor import Descriptor

FACTS = Facts("c0ffee00", 17, 3, [["image", 17, 1_700_000_000_000_000]])
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")


def images(count: int) -> dict[str, Descriptor]:
    dice = np.random.default_rng(count)
    return {f"image {number}": made(dice, int(dice.integers(0, 20))) for number in range(count)}


def index_of(descriptors: dict[str, Descriptor]) -> DescriptorIndex:
    index = DescriptorIndex()
    for image_id, one in descriptors.items():
        index.put(image_id, one.to_bytes())
    return index


def read(path: Path, *, thoroughly: bool = False) -> DescriptorIndex:
    segment, facts = open_snapshot(path, thoroughly=thoroughly)
    assert facts == FACTS
    index = DescriptorIndex()
    index.adopt(segment)
    return index


def query_of(one: Descriptor) -> CandidateQuery:
    return CandidateQuery(one.vector[None], [features_of(one, near=2)], 10)


@pytest.mark.parametrize("count", [0, 1, 2, 70])
def test_there_and_back(tmp_path: Path, count: int) -> None:
    descriptors = images(count)
    index = index_of(descriptors)
    index.discard("image 1")
    descriptors.pop("image 1", None)
    assert write_snapshot(tmp_path / "snapshot", index.list_parts(), FACTS)
    back = read(tmp_path / "snapshot", thoroughly=True)
    assert len(back) == len(descriptors)
    for one in descriptors.values():
        assert back.find_candidates(query_of(one)) == index.find_candidates(query_of(one))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["snapshot", "snapshot.lock"]


def test_what_comes_after_a_snapshot(tmp_path: Path) -> None:
    descriptors = images(70)
    write_snapshot(tmp_path / "snapshot", index_of(descriptors).list_parts(), FACTS)
    index = read(tmp_path / "snapshot")
    index.discard("image 3")
    index.put("image 4", made(np.random.default_rng(1), 5).to_bytes())
    index.put("new", descriptors["image 3"].to_bytes())
    (found, *_) = index.find_candidates(query_of(descriptors["image 3"]))
    assert found.image_id == "new"
    assert len(index) == 70
    write_snapshot(tmp_path / "snapshot", index.list_parts(), FACTS)  # while the old one is mapped
    assert len(read(tmp_path / "snapshot")) == 70
    assert index.get_vector("image 5") is not None


@pytest.mark.parametrize("checked", [0, 2**30])
def test_a_damaged_snapshot_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: int
) -> None:
    monkeypatch.setattr(snapshot, "CHECKED", checked)
    path = tmp_path / "snapshot"
    descriptors = images(60)
    index = index_of(descriptors)
    write_snapshot(path, index.list_parts(), FACTS)
    whole = path.read_bytes()
    query = query_of(descriptors["image 7"])
    expected = index.find_candidates(query)
    for length in [*range(0, len(whole), 1024), *range(40), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotError):
            read(path)
    dice = np.random.default_rng(1)
    for place in range(0, len(whole), 61):
        damaged = bytearray(whole)
        damaged[place] ^= int(dice.integers(1, 256))
        path.write_bytes(damaged)
        try:
            found = read(path).find_candidates(query)
        except SnapshotError:
            continue
        if checked:  # what was flipped lies between the sections
            assert found == expected
        else:  # postings are not checked: they may mislead the votes, and nothing else
            cosines = {one.image_id: one.cosine for one in found}
            nearest = max(expected, key=lambda one: one.cosine)
            assert cosines[nearest.image_id] == nearest.cosine


def test_other_versions_and_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "snapshot"
    with pytest.raises(SnapshotError, match="cannot be read"):
        open_snapshot(path)
    path.mkdir()
    with pytest.raises(SnapshotError):
        open_snapshot(path)
    path.rmdir()
    write_snapshot(path, index_of(images(3)).list_parts(), FACTS)
    monkeypatch.setattr(descriptor, "VERSION", descriptor.VERSION + 1)
    with pytest.raises(SnapshotError, match="other descriptors"):
        open_snapshot(path)


@needs_posix
def test_files_that_others_can_write_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    write_snapshot(path, index_of(images(3)).list_parts(), FACTS)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o660)
    with pytest.raises(SnapshotError, match="other users can write"):
        open_snapshot(path)
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(SnapshotError):
        open_snapshot(tmp_path / "link")


def test_a_failed_write_leaves_the_old_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshot"
    write_snapshot(path, index_of(images(3)).list_parts(), FACTS)

    def full(handle: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(path, index_of(images(5)).list_parts(), FACTS)
    assert len(read(path)) == 3
    assert sorted(one.name for one in tmp_path.iterdir()) == ["snapshot", "snapshot.lock"]


@needs_posix
def test_one_of_several_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "snapshot"
    parts = index_of(images(3)).list_parts()
    fsync, results = os.fsync, []

    def meanwhile(handle: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        thread = threading.Thread(target=lambda: results.append(write_snapshot(path, parts, FACTS)))
        thread.start()
        thread.join()

    monkeypatch.setattr(os, "fsync", meanwhile)
    assert write_snapshot(path, parts, FACTS)
    assert results == [False]
    assert write_snapshot(path, parts, FACTS)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    (tmp_path / "snapshot.12345.tmp").write_bytes(b"half")
    write_snapshot(path, index_of(images(3)).list_parts(), FACTS)
    assert not list(tmp_path.glob("*.tmp"))


_OTHER = """
import sys
from pathlib import Path
from tests.engine.index.memory.test_snapshot import images, query_of, read
index, one = read(Path(sys.argv[1])), images(70)["image 7"]
print(index.find_candidates(query_of(one))[0].image_id)
"""


def test_another_process_finds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    write_snapshot(path, index_of(images(70)).list_parts(), FACTS)
    command = [sys.executable, "-c", _OTHER, str(path)]
    answers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(2)
    ]
    assert [answer.communicate()[0].strip() for answer in answers] == ["image 7", "image 7"]
