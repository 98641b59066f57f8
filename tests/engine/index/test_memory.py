from __future__ import annotations

import random
import sys
import threading

import numpy as np
import pytest

from django_visualsnoop.engine.index import memory
from django_visualsnoop.engine.index.base import Query
from django_visualsnoop.engine.index.memory import MemoryIndex

DIMENSIONS = 16


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "BLOCK", 8)


def random_vector(dice: random.Random) -> bytes:
    return bytes(dice.randrange(256) for _ in range(DIMENSIONS))


def brute_force(vectors: dict[str, bytes], query: Query) -> list[tuple[str, float]]:
    found = []
    for image_id, vector in vectors.items():
        if query.allowed is not None and image_id not in query.allowed:
            continue
        if image_id in query.without:
            continue
        values = np.frombuffer(vector, dtype=np.int8).astype(float)
        cosines = [
            float(
                probe.astype(float)
                @ values
                / np.linalg.norm(probe.astype(float))
                / np.linalg.norm(values)
            )
            for probe in query.probes
        ]
        if max(cosines) >= query.min_score:
            found.append((image_id, max(cosines)))
    return sorted(found, key=lambda one: (-round(one[1], 5), one[0]))[: query.limit]


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_brute_force(seed: int) -> None:
    dice = random.Random(seed)
    index = MemoryIndex(DIMENSIONS)
    vectors: dict[str, bytes] = {}
    for _ in range(25):
        for _ in range(dice.randrange(12)):
            image_id = str(dice.randrange(60))
            if dice.random() < 0.35:
                index.discard(image_id)
                vectors.pop(image_id, None)
            else:
                vectors[image_id] = random_vector(dice)
                index.put(image_id, vectors[image_id])
        assert len(index) == len(vectors)
        some = {str(number) for number in range(60) if dice.random() < dice.choice([0.1, 0.9])}
        probes = np.frombuffer(
            b"".join(random_vector(dice) for _ in range(3)), dtype=np.int8
        ).reshape(3, DIMENSIONS)
        query = Query(
            probes,
            min_score=dice.choice([-1.0, 0.0, 0.3]),
            limit=dice.choice([0, 1, 5, 1000]),
            allowed=dice.choice([None, frozenset(some)]),
            without=frozenset(dice.sample(sorted(some), min(3, len(some)))),
        )
        found = index.search(query)
        expected = brute_force(vectors, query)
        assert [one.image_id for one in found] == [image_id for image_id, _ in expected]
        assert [one.score for one in found] == pytest.approx(
            [cosine for _, cosine in expected], abs=1e-5
        )
        held = {
            image_id: vector.tobytes()
            for block in index.blocks()
            for image_id, vector in zip(block.ids, block.vectors, strict=True)
        }
        assert held == vectors


def query_for(index: MemoryIndex, image_id: str) -> Query:
    vector = index.vector(image_id)
    assert vector is not None
    return Query(vector[None], min_score=0.999, limit=10)


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9])
def test_any_number_of_images(count: int) -> None:
    dice = random.Random(count)
    index = MemoryIndex(DIMENSIONS)
    for number in range(count):
        index.put(str(number), random_vector(dice))
    assert len(index) == count
    for number in range(count):
        found = index.search(query_for(index, str(number)))
        assert [one.image_id for one in found] == [str(number)]
    probe = np.ones((1, DIMENSIONS), dtype=np.int8)
    assert len(index.search(Query(probe, min_score=-1, limit=100))) == count


def test_places_of_removed_images_are_used_again() -> None:
    dice = random.Random(0)
    index = MemoryIndex(DIMENSIONS)
    for number in range(500):
        index.put(str(number), random_vector(dice))
        index.discard(str(number - 5))
    assert len(index) == 5
    assert len(list(index.blocks())) == 1


def test_vectors_of_nothing_match_nothing() -> None:
    index = MemoryIndex(DIMENSIONS)
    index.put("zero", bytes(DIMENSIONS))
    probe = np.ones((1, DIMENSIONS), dtype=np.int8)
    assert index.search(Query(probe, min_score=0.1, limit=5)) == []


def test_searching_while_others_write() -> None:
    index = MemoryIndex(DIMENSIONS)
    kept = bytes([100] * DIMENSIONS)
    index.put("kept", kept)
    failures: list[object] = []
    stop = threading.Event()

    def write() -> None:
        dice = random.Random(1)
        while not stop.is_set():
            image_id = str(dice.randrange(40))
            index.put(image_id, bytes([256 - 100] * DIMENSIONS))
            index.discard(str(dice.randrange(40)))

    def search() -> None:
        query = Query(np.frombuffer(kept, dtype=np.int8)[None], min_score=0.9, limit=50)
        failures.extend(
            found
            for found in (index.search(query) for _ in range(300))
            if [one.image_id for one in found] != ["kept"]
        )

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


def test_usable_after_a_fork_that_found_it_locked() -> None:
    index = MemoryIndex(DIMENSIONS)
    index.put("a", bytes([1] * DIMENSIONS))
    with index._lock:
        index.after_fork()
        assert index.vector("a") is not None
