"""Image ids in arrays, found by a hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.index.memory import ids as module
from django_visualsnoop.engine.index.memory.ids import (
    build_ids,
    build_wanted,
    expand_runs,
    hash_image_id,
    join_ids,
)

if TYPE_CHECKING:
    import pytest

NAMES = ["b", "", "é/ü", "a", "日本", "half \udce9", "nul \0"]


def test_ids_come_back_by_their_slots() -> None:
    ids = build_ids(NAMES)
    assert [ids.get_id(slot) for slot in range(len(NAMES))] == NAMES
    assert ids.get_ids(np.array([4, 0, 1])) == ["日本", "b", ""]


def test_slots_of_those_that_are_there_are_found() -> None:
    ids = build_ids(NAMES)
    found = ids.find_slots(build_wanted(["a", "nobody", "half \udce9", ""]))
    assert sorted(found.tolist()) == [1, 3, 5]
    assert build_ids([]).find_slots(build_wanted(["a"])).tolist() == []


def test_ids_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hash_image_id", lambda image_id: 7)
    ids = build_ids(["a", "b", "c"])
    assert ids.find_slots(build_wanted(["c"])).tolist() == [2]
    assert ids.find_slots(build_wanted(["d"])).tolist() == []


def test_the_hash_is_the_same_in_every_process() -> None:
    assert hash_image_id("a") == 0x2F42665B399EF840


def test_kept_ids_of_several_parts_follow_one_another() -> None:
    first, second = build_ids(["a", "bb", "ccc"]), build_ids(["d", "é"])
    joined = join_ids([(first, np.array([0, 2])), (second, np.array([0, 1]))])
    assert joined.get_ids(np.arange(4)) == ["a", "ccc", "d", "é"]
    assert joined.find_slots(build_wanted(["ccc", "bb", "é"])).tolist() in ([1, 3], [3, 1])
    assert join_ids([(first, np.empty(0, dtype=np.intp))]).get_ids(np.arange(0)) == []


def test_runs_are_written_out() -> None:
    found = expand_runs(np.array([7, 0, 3]), np.array([2, 0, 3]))
    assert found.tolist() == [7, 8, 3, 4, 5]
    assert expand_runs(np.empty(0, np.int64), np.empty(0, np.int64)).tolist() == []
