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
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from django_visualsnoop.engine import cache
from django_visualsnoop.engine.index.closest import closest
from django_visualsnoop.engine.index.ids import wanted_ids
from django_visualsnoop.engine.index.layers import asked_of
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.engine.publish import in_transaction, publish
from django_visualsnoop.engine.reading import read_contents, read_state
from django_visualsnoop.engine.sources import Index

if TYPE_CHECKING:
    from collections.abc import Collection as Several
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptor import Descriptor
    from django_visualsnoop.engine.index.candidates import Candidate, CandidateQuery
    from django_visualsnoop.engine.index.closest import Close
    from django_visualsnoop.engine.index.descriptors import DescriptorIndex
    from django_visualsnoop.engine.index.merge import Part
    from django_visualsnoop.engine.reading import Content, State
    from django_visualsnoop.engine.sources import Source

logger = logging.getLogger("django_visualsnoop.engine")

#: A search that finds more rows unnumbered than this (their writer died) numbers them.
TOO_MANY_UNNUMBERED = 256
_FETCH = 2000


class _Row(NamedTuple):
    image_id: str
    seq: int | None
    deleted: int | None
    #: What the index takes; ``None`` if that cannot be compared.
    content: bytes | None


@dataclass(slots=True)
class _Images(Generic[Index]):
    """An index, and the ids that are there without a vector that can be compared."""

    index: Index
    outdated: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def take(self, row: _Row) -> None:
        for without_vector in (self.outdated, self.broken):
            without_vector.discard(row.image_id)
        if row.deleted is None and row.content is not None:
            try:
                self.index.put(row.image_id, row.content)
            except ValueError:
                self.broken.add(row.image_id)
            else:
                return
        elif row.deleted is None:
            self.outdated.add(row.image_id)
        self.index.discard(row.image_id)


class _Memory(Generic[Index]):
    """One collection in this process. ``seen`` is the number up to which it has read."""

    def __init__(self, collection_id: str, source: Source[Index]) -> None:
        self.collection_id = collection_id
        self.source = source
        self.lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self.images = _Images(self.source.index())
        self.seen = 0
        #: Rows read since the snapshot.
        self.unsaved = 0


@dataclass(frozen=True, slots=True)
class View(Generic[Index]):
    """What one search looks at.

    Args:
        database: alias in ``DATABASES``.
        collection_id: of the collection.
        memory: what the process holds.
        joined: rows of this search only; they hide those of the same id in ``memory``.
        hidden: the ids of ``joined``, deleted ones included.
        asked: the row of the image that was asked for; ``None`` if there is no such image.
    """

    database: str
    collection_id: str
    memory: _Images[Index]
    joined: _Images[Index]
    hidden: frozenset[str]
    asked: Content | None

    def vector(self, image_id: str) -> NDArray[np.int8] | None:
        """Return the vector of an image, if it has one that can be compared."""
        images = self.joined if image_id in self.hidden else self.memory
        return images.index.vector(image_id)

    def closest(
        self,
        probe: NDArray[np.int8],
        limit: int,
        allowed: Several[str] | None = None,
        without: Several[str] = (),
    ) -> list[Close]:
        """Return the images whose vectors are closest to one; see ``closest.closest``.

        Args:
            probe: as long as the vectors.
            limit: at most so many.
            allowed: search among these ids only, if given.
            without: leave out these ids.
        """
        hidden = self.hidden.union(without)
        parts = asked_of(self.memory.index.visible(), allowed, hidden)
        parts += asked_of(self.joined.index.visible(), allowed, without)
        return closest(parts, probe, limit)

    def candidates(self: View[DescriptorIndex], query: CandidateQuery) -> list[Candidate]:
        """Return the best of each stage, closest by cosine first."""
        found = self.memory.index.candidates(
            replace(query, without=self.hidden.union(query.without)) if self.hidden else query
        )
        if self.hidden:
            found += self.joined.index.candidates(query)
            found.sort(key=lambda one: (-one.cosine, one.image_id))
        return found

    def parts(self: View[DescriptorIndex]) -> list[Part]:
        """Return the index of all images."""
        parts = self.memory.index.parts()
        if not self.hidden:
            return parts
        hidden = wanted_ids(self.hidden)
        for segment, kept in parts:
            kept[segment.ids.slots(hidden)] = False
        return parts + self.joined.index.parts()

    def descriptors(self, image_ids: Several[str]) -> dict[str, Descriptor]:
        """Read the descriptors of images from the table, in one query for some hundred.

        The index holds no places; and what is compared is true whatever it holds. Left out
        are images that are gone since, and those of another version.
        """
        found = {}
        for row in read_contents(self.database, self.collection_id, list(image_ids)):
            if (descriptor := row.descriptor()) is not None:
                found[row.image_id] = descriptor
        return found


#: By database, key of the collection, and name of the source.
_memories: dict[tuple[str, str, str], _Memory[Any]] = {}
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


def look(
    database: str,
    key: str,
    source: Source[Index],
    image_id: str | None = None,
    cache_folder: str | None = None,
) -> View[Index] | None:
    """Return the collection as it is now; ``None`` as long as nothing was written.

    Costs one query when nothing is new, two otherwise, whatever the number of rows.

    Args:
        database: alias in ``DATABASES``.
        key: ``key_of`` the collection's name.
        source: the vectors to look at; others are neither read nor held.
        image_id: of an image that is wanted, too.
        cache_folder: for snapshots of descriptors; see ``cache``.
    """
    place = (database, key, source.name)
    with _memories_lock:
        known = _memories.get(place)
    seen_before = known.seen if known else 0
    state = read_state(database, key, image_id)
    if state is None:
        return None
    memory = _memory(place, state.collection_id, source)
    if memory is not known:
        seen_before = 0
    joined = _Images(source.index())
    hidden: frozenset[str] = frozenset()
    with memory.lock:
        inside = in_transaction(database)
        # Only a restored backup counts backwards; a transaction may see an older snapshot.
        if (state.seq < seen_before and not inside) or memory.seen < state.horizon:
            memory.forget()
        path = (
            cache.path_in(cache_folder, database, state.collection_id)
            if cache_folder is not None and not inside and state.seq > memory.seen
            else None
        )
        if path is not None and not memory.seen:
            loaded = cache.load(path, database, state.collection_id, state.seq, state.horizon)
            if loaded is not None:
                segment, memory.seen = loaded
                memory.images.index.adopt(segment)
        if state.seq > memory.seen or state.unnumbered:
            # One's own uncommitted change hides the committed state of its row. Were the rows
            # after it remembered now, that state would be lost after a rollback.
            remember = not (inside and state.unnumbered)
            hidden = _read_rows(database, state, memory, joined, remember=remember)
        if path is not None:
            _save_now_and_then(path, database, state, memory)
        images = memory.images
    if len(hidden) > TOO_MANY_UNNUMBERED and not inside:
        publish(database, state.collection_id)
    return View(database, state.collection_id, images, joined, hidden, state.asked)


def _save_now_and_then(path: Path, database: str, state: State, memory: _Memory[Any]) -> None:
    images = memory.images
    # Those that no search finds are counted by each process that has read their rows.
    if images.outdated or images.broken:
        return
    count = len(images.index)
    if count >= cache.LEAST and memory.unsaved >= cache.CHANGED * count:
        memory.unsaved = 0
        parts = images.index.parts()
        cache.save(path, database, state.collection_id, memory.seen, state.horizon, parts)


def _memory(
    place: tuple[str, str, str], collection_id: str, source: Source[Index]
) -> _Memory[Index]:
    with _memories_lock:
        memory = _memories.get(place)
        if memory is None or memory.collection_id != collection_id:
            memory = _memories[place] = _Memory(collection_id, source)
        return memory


def _read_rows(
    database: str,
    state: State,
    memory: _Memory[Index],
    joined: _Images[Index],
    *,
    remember: bool,
) -> frozenset[str]:
    """Read what is new into the memory, or, what is not for it, into ``joined``."""
    rows = IndexedImage.objects.using(database).filter(collection_id=state.collection_id)
    columns = ("image_id", "seq", "deleted", *memory.source.columns)
    if memory.seen:
        # One statement, so that no row is numbered between two. Asked for the one or the other
        # by OR, SQLite reads all rows of the collection.
        found = rows.filter(seq__isnull=True).values_list(*columns)
        found = found.union(rows.filter(seq__gt=memory.seen).values_list(*columns), all=True)
    else:
        found = rows.exclude(deleted__isnull=False, seq__isnull=False).values_list(*columns)
    hidden: set[str] = set()
    seen = state.seq
    unusable = len(memory.images.outdated) + len(memory.images.broken)
    for image_id, seq, deleted, *values in found.iterator(chunk_size=_FETCH):
        row = _Row(image_id, seq, deleted, memory.source.content(*values))
        if seq is None or not remember:
            joined.take(row)
            hidden.add(image_id)
        else:
            memory.images.take(row)
            memory.unsaved += 1
            seen = max(seen, seq)
    if remember:
        memory.seen = max(seen, memory.seen)
        _warn_of_unusable(memory, unusable)
    return frozenset(hidden)


def _warn_of_unusable(memory: _Memory[Any], before: int) -> None:
    outdated, broken = len(memory.images.outdated), len(memory.images.broken)
    if outdated + broken > before:
        logger.warning(memory.source.unusable, memory.collection_id, outdated, broken)
