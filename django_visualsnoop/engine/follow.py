"""What a process knows of a collection, brought up to date before each search.

The memory of the process only ever takes rows that are numbered, hence
committed. Rows without a number, which are committed but not numbered yet, or
written in the transaction that is open just now, join the one search that
sees them: a rollback leaves nothing behind.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from django.db.models import Exists, OuterRef, Q, Subquery

from django_visualsnoop.engine import describe
from django_visualsnoop.engine.descriptor import Descriptor, codes_in, features_in
from django_visualsnoop.engine.index.memory import MemoryIndex
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
from django_visualsnoop.engine.publish import in_transaction, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import Block, Neighbour, Query, VectorIndex

logger = logging.getLogger("django_visualsnoop.engine")

#: A search that finds more rows unnumbered than this (their writer died) numbers them.
TOO_MANY_UNNUMBERED = 256
_FETCH = 2000


class _State(NamedTuple):
    collection_id: str
    seq: int
    horizon: int
    unnumbered: bool
    image_time: int | None


class _Row(NamedTuple):
    image_id: str
    seq: int | None
    deleted: int | None
    version: int
    vector: bytes


@dataclass(slots=True)
class _Images:
    """Descriptors, and the ids that are there without one that can be compared."""

    index: VectorIndex = field(default_factory=lambda: MemoryIndex(describe.DIMENSIONS))
    #: Whole descriptors, as ``Descriptor.to_bytes`` wrote them.
    descriptors: dict[str, bytes] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def take(self, row: _Row) -> None:
        for without_vector in (self.outdated, self.broken):
            without_vector.discard(row.image_id)
        if row.deleted is None and row.version == describe.VERSION:
            try:
                features_in(row.vector)
            except ValueError:
                self.broken.add(row.image_id)
            else:
                self.descriptors[row.image_id] = row.vector
                self.index.put(row.image_id, row.vector[: describe.DIMENSIONS])
                return
        elif row.deleted is None:
            self.outdated.add(row.image_id)
        self.index.discard(row.image_id)
        self.descriptors.pop(row.image_id, None)


class _Memory:
    """One collection in this process. ``seen`` is the number up to which it has read."""

    def __init__(self, collection_id: str) -> None:
        self.collection_id = collection_id
        self.lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self.images = _Images()
        self.seen = 0


@dataclass(frozen=True, slots=True)
class View:
    """What one search looks at.

    Args:
        collection_id: of the collection.
        memory: what the process holds.
        joined: rows of this search only; they hide those of the same id in ``memory``.
        hidden: the ids of ``joined``, deleted ones included.
        image_time: of the image that was asked for, in microseconds since 1970; ``None``
            if there is no such image.
    """

    collection_id: str
    memory: _Images
    joined: _Images
    hidden: frozenset[str]
    image_time: int | None

    def search(self, query: Query) -> list[Neighbour]:
        """Return the neighbours, closest first."""
        found = self.memory.index.search(
            replace(query, without=self.hidden.union(query.without)) if self.hidden else query
        )
        if len(self.joined.index):
            found += self.joined.index.search(query)
            found.sort(key=lambda one: (-one.score, one.image_id))
        return found[: query.limit]

    def vector(self, image_id: str) -> NDArray[np.int8] | None:
        images = self.joined if image_id in self.hidden else self.memory
        return images.index.vector(image_id)

    def descriptor(self, image_id: str) -> Descriptor | None:
        images = self.joined if image_id in self.hidden else self.memory
        content = images.descriptors.get(image_id)
        return None if content is None else Descriptor.from_bytes(content)

    def codes(self) -> dict[str, NDArray[np.uint64]]:
        """Return the codes of all pictures."""
        remembered = [
            (image_id, content)
            for image_id, content in list(self.memory.descriptors.items())
            if image_id not in self.hidden
        ]
        both = [*remembered, *self.joined.descriptors.items()]
        return {image_id: codes_in(content) for image_id, content in both}

    def __len__(self) -> int:
        return len(self.memory.descriptors) + len(self.joined.descriptors)

    def blocks(self) -> Iterator[Block]:
        """Yield all vectors, some thousand at a time."""
        yield from self.memory.index.blocks(self.hidden)
        yield from self.joined.index.blocks()


_memories: dict[tuple[str, str], _Memory] = {}
_memories_lock = threading.Lock()


def _after_fork() -> None:
    """Keep what was loaded before the fork, but for what another thread was just changing."""
    global _memories_lock
    _memories_lock = threading.Lock()
    for place, memory in list(_memories.items()):
        if memory.lock.locked():
            del _memories[place]
        else:
            memory.images.index.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def look(database: str, key: str, image_id: str | None = None) -> View | None:
    """Return the collection as it is now; ``None`` as long as nothing was written.

    Costs one query when nothing is new, two otherwise, whatever the number of rows.

    Args:
        database: alias in ``DATABASES``.
        key: ``key_of`` the collection's name.
        image_id: an image whose time is wanted, too.
    """
    with _memories_lock:
        known = _memories.get((database, key))
    seen_before = known.seen if known else 0
    state = _read_state(database, key, image_id)
    if state is None:
        return None
    memory = _memory(database, key, state.collection_id)
    if memory is not known:
        seen_before = 0
    joined = _Images()
    hidden: frozenset[str] = frozenset()
    with memory.lock:
        inside = in_transaction(database)
        # Only a restored backup counts backwards; a transaction may see an older snapshot.
        if (state.seq < seen_before and not inside) or memory.seen < state.horizon:
            memory.forget()
        if state.seq > memory.seen or state.unnumbered:
            # One's own uncommitted change hides the committed state of its row. Were the rows
            # after it remembered now, that state would be lost after a rollback.
            remember = not (inside and state.unnumbered)
            hidden = _read_rows(database, state, memory, joined, remember=remember)
        images = memory.images
    if len(hidden) > TOO_MANY_UNNUMBERED and not inside:
        publish(database, state.collection_id)
    return View(state.collection_id, images, joined, hidden, state.image_time)


def _read_state(database: str, key: str, image_id: str | None) -> _State | None:
    rows = IndexedImage.objects.using(database).filter(collection=OuterRef("pk"))
    asked = rows.filter(key=key_of(image_id or ""), deleted__isnull=True)
    found = (
        Collection.objects.using(database)
        .filter(key=key)
        .annotate(
            unnumbered=Exists(rows.filter(seq__isnull=True)),
            **({"image_time": Subquery(asked.values("image_time"))} if image_id else {}),
        )
        .values_list(
            "collection_id",
            "seq",
            "horizon",
            "unnumbered",
            *(["image_time"] if image_id else []),
        )
        .first()
    )
    return _State(*found, *([] if image_id else [None])) if found else None


def _memory(database: str, key: str, collection_id: str) -> _Memory:
    with _memories_lock:
        memory = _memories.get((database, key))
        if memory is None or memory.collection_id != collection_id:
            memory = _memories[database, key] = _Memory(collection_id)
        return memory


def _read_rows(
    database: str, state: _State, memory: _Memory, joined: _Images, *, remember: bool
) -> frozenset[str]:
    """Read what is new into the memory, or, what is not for it, into ``joined``."""
    new = Q(seq__isnull=True) | Q(seq__gt=memory.seen)
    rows = IndexedImage.objects.using(database).filter(new, collection_id=state.collection_id)
    if not memory.seen:
        rows = rows.exclude(deleted__isnull=False, seq__isnull=False)
    hidden: set[str] = set()
    seen = state.seq
    unusable = len(memory.images.outdated) + len(memory.images.broken)
    values = rows.values_list("image_id", "seq", "deleted", "version", "vector")
    for image_id, seq, deleted, version, vector in values.iterator(chunk_size=_FETCH):
        row = _Row(image_id, seq, deleted, version, bytes(vector))
        if seq is None or not remember:
            joined.take(row)
            hidden.add(image_id)
        else:
            memory.images.take(row)
            seen = max(seen, seq)
    if remember:
        memory.seen = max(seen, memory.seen)
        _warn_of_unusable(state.collection_id, memory.images, unusable)
    return frozenset(hidden)


def _warn_of_unusable(collection_id: str, images: _Images, before: int) -> None:
    if len(images.outdated) + len(images.broken) <= before:
        return
    logger.warning(
        "Collection %s holds %d images of another version of the descriptor and %d broken ones; "
        "no search finds them until they are added again. The sweeper does so with those of an "
        "older version; for all at once, type: python manage.py visualsnoop_reindex",
        collection_id,
        len(images.outdated),
        len(images.broken),
    )
