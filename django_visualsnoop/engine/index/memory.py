"""Vectors in the memory of the process, compared one and all.

Costs ``DIMENSIONS`` + 4 bytes per image for the vector and its length, and
about 170 for the id. Growing adds a block and moves nothing.
"""

from __future__ import annotations

import heapq
import threading
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from django_visualsnoop.engine.index.base import Block, Neighbour, Query, VectorIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

BLOCK = 4096
#: Vectors made floats at a time, few enough to stay in the processor's cache.
_CACHED = 256
#: Vectors multiplied at a time. OpenBLAS does products this small in the calling thread; for
#: larger ones it wakes others and waits for them, which on a busy machine took ten times longer.
_PRODUCT = 16


class MemoryIndex(VectorIndex):
    """All vectors in blocks of equal size. Safe to use from several threads."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._lock = threading.Lock()
        self.clear()

    def __len__(self) -> int:
        return len(self._slots)

    def after_fork(self) -> None:
        self._lock = threading.Lock()  # a thread that does not exist here may have held it

    def clear(self) -> None:
        with self._lock:
            self._blocks: list[NDArray[np.int8]] = []
            self._lengths: list[NDArray[np.float32]] = []
            self._ids: list[str | None] = []  # by slot; None where one is free
            self._slots: dict[str, int] = {}
            self._free: list[int] = []

    def put(self, image_id: str, vector: bytes) -> None:
        values = np.frombuffer(vector, dtype=np.int8)
        length = np.linalg.norm(values.astype(np.float32))
        with self._lock:
            slot = self._slots.get(image_id)
            if slot is None:
                slot = self._take_slot()
                self._slots[image_id] = slot
                self._ids[slot] = image_id
            self._blocks[slot // BLOCK][slot % BLOCK] = values
            self._lengths[slot // BLOCK][slot % BLOCK] = max(length, 1.0)

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if len(self._ids) == len(self._blocks) * BLOCK:
            self._blocks.append(np.zeros((BLOCK, self._dimensions), dtype=np.int8))
            self._lengths.append(np.ones(BLOCK, dtype=np.float32))
        self._ids.append(None)
        return len(self._ids) - 1

    def discard(self, image_id: str) -> None:
        with self._lock:
            slot = self._slots.pop(image_id, None)
            if slot is not None:
                self._ids[slot] = None
                self._free.append(slot)

    def vector(self, image_id: str) -> NDArray[np.int8] | None:
        with self._lock:
            slot = self._slots.get(image_id)
            return None if slot is None else self._blocks[slot // BLOCK][slot % BLOCK].copy()

    def search(self, query: Query) -> list[Neighbour]:
        probes = query.probes.astype(np.float32)
        probes /= np.maximum(np.linalg.norm(probes, axis=1, keepdims=True), 1.0)
        with self._lock:
            if query.allowed is not None and len(query.allowed) < len(self._slots) // 4:
                found = self._search_slots(probes, query)
            else:
                found = self._search_all(probes, query)
        return heapq.nsmallest(query.limit, found, key=lambda one: (-one.score, one.image_id))

    def _search_all(self, probes: NDArray[np.float32], query: Query) -> list[Neighbour]:
        found: list[Neighbour] = []
        for number, (block, lengths) in enumerate(zip(self._blocks, self._lengths, strict=True)):
            used = len(self._ids) - number * BLOCK
            scores = _closest(probes, block[:used]) / lengths[:used]
            for place in np.flatnonzero(scores >= query.min_score):
                image_id = self._ids[number * BLOCK + int(place)]
                if _wanted(image_id, query):
                    found.append(Neighbour(image_id, float(scores[place])))
        return found

    def _search_slots(self, probes: NDArray[np.float32], query: Query) -> list[Neighbour]:
        found: list[Neighbour] = []
        slots = [
            self._slots[image_id]
            for image_id in query.allowed or ()
            if image_id in self._slots and image_id not in query.without
        ]
        for start in range(0, len(slots), BLOCK):
            part = slots[start : start + BLOCK]
            vectors = np.stack([self._blocks[slot // BLOCK][slot % BLOCK] for slot in part])
            lengths = np.array([self._lengths[slot // BLOCK][slot % BLOCK] for slot in part])
            scores = _closest(probes, vectors) / lengths
            for place in np.flatnonzero(scores >= query.min_score):
                image_id = self._ids[part[int(place)]]
                if image_id is not None:
                    found.append(Neighbour(image_id, float(scores[place])))
        return found

    def blocks(self, without: Collection[str] = ()) -> Iterator[Block]:
        number = 0
        while True:
            with self._lock:
                if number >= len(self._blocks):
                    return
                ids = self._ids[number * BLOCK : (number + 1) * BLOCK]
                kept = [
                    (place, image_id)
                    for place, image_id in enumerate(ids)
                    if image_id is not None and image_id not in without
                ]
                vectors = self._blocks[number][[place for place, _ in kept]]
            number += 1
            yield Block([image_id for _, image_id in kept], vectors)


def _closest(probes: NDArray[np.float32], vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the largest product of each vector with a probe."""
    columns = probes.T
    closest = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _CACHED):
        rows = vectors[start : start + _CACHED].astype(np.float32)
        whole = len(rows) // _PRODUCT * _PRODUCT
        products = np.empty((len(rows), len(probes)), dtype=np.float32)
        stack = rows[:whole].reshape(-1, _PRODUCT, rows.shape[1])
        np.matmul(stack, columns, out=products[:whole].reshape(-1, _PRODUCT, len(probes)))
        np.matmul(rows[whole:], columns, out=products[whole:])
        np.max(products, axis=1, out=closest[start : start + _CACHED])
    return closest


def _wanted(image_id: str | None, query: Query) -> TypeGuard[str]:
    return (
        image_id is not None
        and image_id not in query.without
        and (query.allowed is None or image_id in query.allowed)
    )
