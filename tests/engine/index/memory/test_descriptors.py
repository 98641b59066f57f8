from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, VERSION
from django_visualsnoop.engine.index.base import CandidateQuery
from django_visualsnoop.engine.index.memory import codes, descriptors, inverted, layers, merge
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from tests.engine.index.memory.brute_force import cosine, features_of, made, scores, votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.index.base import Candidate
    from django_visualsnoop.engine.index.memory.segment import Segment


def agrees(found: list[Candidate], images: Mapping[str, Descriptor], query: CandidateQuery) -> None:
    """See to it that a search that reads everything found what brute force finds."""
    expected = scores(images, query)
    for one in found:
        assert (one.cosine, one.votes) == pytest.approx(expected[one.image_id], abs=1e-5)
        if len(query.probes):
            vector = images[one.image_id].vector
            assert cosine(query.probes[one.probe], vector) == pytest.approx(one.cosine, abs=1e-5)
        if one.votes:
            assert votes(query.views[one.view], images[one.image_id]) == pytest.approx(one.votes)
    assert found == sorted(found, key=lambda one: (-one.cosine, one.image_id))
    names = {one.image_id for one in found}
    assert len(names) == len(found)
    for stage, least in ((0, -1.0), (1, 0.0)):
        ranked = sorted((one[stage] for one in expected.values()), reverse=True)
        enough = ranked[query.limit - 1] if 0 < query.limit <= len(ranked) else least
        for image_id, both in expected.items():
            if query.limit and both[stage] > enough + 1e-5:
                assert image_id in names


numbers = st.integers(0, 30)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), numbers, st.integers(0, 2**32)),
        st.tuples(st.just("discard"), numbers, st.none()),
        st.tuples(st.just("search"), st.sampled_from([0, 1, 3, 100]), st.integers(0, 2**32)),
        st.tuples(st.just("rebuild"), st.none(), st.none()),
        st.tuples(st.just("settle"), st.none(), st.none()),
    ),
    max_size=40,
)


@given(steps=steps)
@settings(deadline=None, max_examples=60)
def test_agrees_with_brute_force(steps: list[tuple[str, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(layers, "WAITING", 5)
        patched.setattr(layers, "_SMALL", 4)
        patched.setattr(merge, "_WORDS", 1000)
        index = DescriptorIndex()
        images: dict[str, Descriptor] = {}
        for step, number, seed in steps:
            dice = np.random.default_rng(seed)
            if step == "put":
                # Merging by a new sort, or by a walk over all words.
                patched.setattr(merge, "_SORTED_AGAIN", seed % 2 * 2**20)
                images[str(number)] = made(dice, seed % 5 * (seed % 7))
                index.put(str(number), images[str(number)].to_bytes())
            elif step == "discard":
                index.discard(str(number))
                images.pop(str(number), None)
            elif step == "settle":
                index.settle()
            elif step == "rebuild":
                index.adopt(merge.merge_in_memory(index.list_parts()))
            else:
                query = random_query(dice, number)
                agrees(index.find_candidates(query), images, query)
            assert len(index) == len(images)
        for number in range(31):
            vector = index.get_vector(str(number))
            stored = images.get(str(number))
            assert (vector is None) == (stored is None)
            if vector is not None and stored is not None:
                assert vector.tobytes() == stored.vector.tobytes()
        held = {}
        for segment, kept in index.list_parts():
            slots = np.flatnonzero(kept)
            for image_id, vector in zip(
                segment.ids.get_ids(slots), segment.vectors[slots], strict=True
            ):
                held[image_id] = vector.tobytes()
        assert held == {image_id: one.vector.tobytes() for image_id, one in images.items()}


def random_query(dice: np.random.Generator, limit: int) -> CandidateQuery:
    some = {str(number) for number in range(40) if dice.random() < dice.choice([0.1, 0.9])}
    return CandidateQuery(
        np.stack([made(dice, 0).vector for _ in range(3)])[: dice.integers(0, 4)],
        [features_of(made(dice, count), near=1) for count in dice.integers(0, 20, 2)],
        limit,
        allowed=some if dice.random() < 0.5 else None,
        without={str(number) for number in dice.integers(0, 30, 3)},
    )


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_any_number_of_images(count: int) -> None:
    dice = np.random.default_rng(count)
    images = {f"é{number}": made(dice, 9) for number in range(count)}
    index = DescriptorIndex()
    for image_id, descriptor in images.items():
        index.put(image_id, descriptor.to_bytes())
    for image_id, descriptor in list(images.items())[:20]:
        query = CandidateQuery(descriptor.vector[None], [features_of(descriptor)], 1)
        found = index.find_candidates(query)
        assert tuple(found[0]) == (image_id, pytest.approx(1), 0, pytest.approx(9), 0)
    query = CandidateQuery(made(dice, 0).vector[None], [features_of(made(dice, 9))], 1000)
    agrees(index.find_candidates(query), images, query)


def test_of_many_the_closest_by_their_signs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are found through each of the three steps; what is left out is farther by signs."""
    monkeypatch.setattr(codes, "_SAMPLE", 256)
    monkeypatch.setattr(codes, "_PASSING", 100)
    monkeypatch.setattr("django_visualsnoop.engine.index.memory.candidates.RESCORED", 10)
    dice = np.random.default_rng(5)
    index = DescriptorIndex()
    images = {str(number): made(dice, 0) for number in range(3000)}
    for image_id, descriptor in images.items():
        index.put(image_id, descriptor.to_bytes())
    for number in range(50):
        vector = images[str(number)].vector.astype(float) + dice.normal(0, 30, DIMENSIONS)
        probe = np.clip(vector, -127, 127).astype(np.int8)
        for allowed in (None, {str(other) for other in range(number, number + 5)}):
            query = CandidateQuery(probe[None], [], 1, allowed=allowed)
            assert [one.image_id for one in index.find_candidates(query)] == [str(number)]
        others = {str(other) for other in range(1000, 3000)}
        query = CandidateQuery(probe[None], [], 5, allowed=others)
        assert {one.image_id for one in index.find_candidates(query)} <= others


def test_where_most_of_the_closest_are_not_allowed_others_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(codes, "_SAMPLE", 64)
    monkeypatch.setattr(codes, "_PASSING", 8)
    monkeypatch.setattr("django_visualsnoop.engine.index.memory.candidates.RESCORED", 8)
    index = DescriptorIndex()
    for number in range(600):
        vector = np.full(DIMENSIONS, 100 if number < 400 else -100, dtype=np.int8)
        index.put(
            str(number), made(np.random.default_rng(number), 0)._replace(vector=vector).to_bytes()
        )
    probe = np.full((1, DIMENSIONS), 100, dtype=np.int8)
    far = {str(number) for number in range(400, 600)}
    found = index.find_candidates(CandidateQuery(probe, [], 8, allowed=far))
    assert len(found) == 8
    assert {one.image_id for one in found} <= far


def test_the_shortest_lists_are_read_first() -> None:
    counts = np.array([5, 1, 7, 0, 2])
    assert inverted.select_affordable(counts, 15).all()
    assert inverted.select_affordable(counts, 14).tolist() == [True, True, False, True, True]
    assert inverted.select_affordable(counts, 7).tolist() == [False, True, False, True, True]
    assert inverted.select_affordable(counts, 0).tolist() == [False, False, False, True, False]


def test_bytes_that_are_no_descriptor_change_nothing() -> None:
    index = DescriptorIndex()
    content = made(np.random.default_rng(1), 3).to_bytes()
    index.put("a", content)
    newer = content[:DIMENSIONS] + bytes([VERSION + 1]) + content[DIMENSIONS + 1 :]
    for broken in (b"", content[:1], content[:-1], newer):
        with pytest.raises(ValueError, match="descriptor"):
            index.put("a", broken)
    assert len(index) == 1
    assert index.get_vector("a") is not None


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
