"""Segments, merged while others search and write."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.index.base import CandidateQuery
from django_visualsnoop.engine.index.memory import descriptors, merge
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from tests.engine.index.memory.brute_force import cosine, features_of, made

if TYPE_CHECKING:
    from django_visualsnoop.engine.index.memory.segment import Segment


def test_there_are_few_segments_whatever_the_order_of_writes() -> None:
    index = DescriptorIndex()
    content = made(np.random.default_rng(1), 3).to_bytes()
    for number in range(300):
        index.put(str(number % 200), content)
        assert len(index.list_visible()) <= 9
    for number in range(200):
        index.discard(str(number))
    assert index.list_visible() == []


def test_a_search_sees_one_state_while_others_write() -> None:
    index = DescriptorIndex()
    dice = np.random.default_rng(3)
    wanted, other = made(dice, 8), made(dice, 8)
    query = CandidateQuery(wanted.vector[None], [features_of(wanted)], 50)
    index.put("always", wanted.to_bytes())
    failures: list[object] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for number in range(20):
                # Replaced by the same: it is there all the time.
                index.put("always", wanted.to_bytes())
                index.put(str(number), other.to_bytes())
            for number in range(20):
                index.discard(str(number))

    def search() -> None:
        for _ in range(150):
            found = index.find_candidates(query)
            if [one.image_id for one in found if one.cosine > 0.9] != ["always"]:
                failures.append(found)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        writer = threading.Thread(target=write)
        searchers = [threading.Thread(target=search) for _ in range(3)]
        for thread in [writer, *searchers]:
            thread.start()
        for thread in searchers:
            thread.join()
        stop.set()
        writer.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []


def test_what_is_replaced_or_removed_while_segments_are_merged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = DescriptorIndex()
    dice = np.random.default_rng(4)
    old, new = made(dice, 4), made(dice, 4)
    for image_id in ("kept", "removed", "replaced"):
        index.put(image_id, old.to_bytes())
        len(index)
    merged = merge.merge_in_memory

    def interrupted(parts: list[merge.SegmentPart]) -> Segment:
        result = merged(parts)
        monkeypatch.setattr(descriptors, "merge_in_memory", merged)
        index.discard("removed")
        index.put("replaced", new.to_bytes())
        assert len(index) == 2
        return result

    monkeypatch.setattr(descriptors, "merge_in_memory", interrupted)
    index.settle()
    query = CandidateQuery(old.vector[None], [], 10)
    found = {one.image_id: one.cosine for one in index.find_candidates(query)}
    assert found == {
        "kept": pytest.approx(1),
        "replaced": pytest.approx(cosine(old.vector, new.vector), abs=1e-5),
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("held", ["_lock", "_merging"])
def test_a_fork_while_another_thread_holds_a_lock(held: str) -> None:
    index = DescriptorIndex()
    content = made(np.random.default_rng(1), 3).to_bytes()
    for image_id in ("a", "b", "c"):
        index.put(image_id, content)
    with getattr(index, held):
        child = os.fork()
        if not child:
            index.after_fork()
            index.discard("b")
            index.settle()
            os._exit(0 if len(index) == 2 and index.get_vector("c") is not None else 1)
        _, status = os.waitpid(child, 0)
    assert status == 0
    assert len(index) == 3
