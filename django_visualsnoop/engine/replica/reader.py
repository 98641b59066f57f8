"""What a process knows of a collection, brought up to date before each search.

The memory of the process only ever takes rows that are numbered, hence
committed. Rows without a number, which are committed but not numbered yet, or
written in the transaction that is open just now, join the one search that
sees them: a rollback leaves nothing behind.

The memories of all collections share a bound, see ``look``. One that is dropped while another
thread searches it lives on until that search ends.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.index.closest import closest
from django_visualsnoop.engine.index.ids import wanted_ids
from django_visualsnoop.engine.index.layers import asked_of
from django_visualsnoop.engine.models import Collection
from django_visualsnoop.engine.replica import snapshots as cache
from django_visualsnoop.engine.replica.replica import Images, Memory
from django_visualsnoop.engine.replica.vector_kinds import Index
from django_visualsnoop.engine.storage.publish import in_transaction, publish
from django_visualsnoop.engine.storage.queries import read_contents, read_state

if TYPE_CHECKING:
    from collections.abc import Collection as Several

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.index.candidates import Candidate, CandidateQuery
    from django_visualsnoop.engine.index.closest import Close
    from django_visualsnoop.engine.index.descriptors import DescriptorIndex
    from django_visualsnoop.engine.index.merge import Part
    from django_visualsnoop.engine.replica.vector_kinds import Source
    from django_visualsnoop.engine.storage.queries import Content

#: A search that finds more rows unnumbered than this (their writer died) numbers them.
TOO_MANY_UNNUMBERED = 256
#: Collections named in one query.
_TOGETHER = 500


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
    memory: Images[Index]
    joined: Images[Index]
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


#: What a process holds of collections at most, in bytes: about a million images.
DEFAULT_MEMORY = 2 * 1024**3
#: Collections held from which on a process looks for those that were deleted.
_MANY = 8

#: By database, key of the collection, and name of the source; the least recently searched first.
_memories: dict[tuple[str, str, str], Memory[Any]] = {}
_memories_lock = threading.Lock()
#: By database: with how many memories it is time to look for deleted collections again.
_look_again_at: dict[str, int] = {}


def _after_fork() -> None:
    """Keep what was loaded before the fork, but for what another thread was just changing."""
    global _memories_lock
    _memories_lock = threading.Lock()
    for place, memory in list(_memories.items()):
        if memory.lock.locked():
            del _memories[place]
        else:
            memory.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def look(
    database: str,
    key: str,
    source: Source[Index],
    image_id: str | None = None,
    *,
    cache_folder: str | None = None,
    early: bool = False,
    whole: bool = False,
    most_bytes: int = DEFAULT_MEMORY,
) -> View[Index] | None:
    """Return the collection as it is now; ``None`` as long as nothing was written.

    Costs one query when nothing is new, two otherwise, whatever the number of rows. Waits for
    who is writing on SQLite.

    Args:
        database: alias in ``DATABASES``.
        key: ``key_of`` the collection's name.
        source: the vectors to look at; others are neither read nor held.
        image_id: of an image that is wanted, too.
        cache_folder: for snapshots of descriptors; see ``cache``.
        early: of a large collection's images that the process has not read yet, the vectors will
            do for now; see ``blocks``. Only for descriptors.
        whole: wait for the images to be read, if another search was content with less.
        most_bytes: if the process holds more of all collections, it drops those that it has not
            searched for longest; never the one that is looked at, however large.
    """

    def look_once() -> View[Index] | None:
        return _look(database, key, source, image_id, cache_folder, early=early, whole=whole)

    view = retry_when_locked(look_once, using=database)
    _keep_within(most_bytes, (database, key, source.name))
    return view


def _look(
    database: str,
    key: str,
    source: Source[Index],
    image_id: str | None,
    cache_folder: str | None,
    *,
    early: bool,
    whole: bool,
) -> View[Index] | None:
    """See ``look``."""
    place = (database, key, source.name)
    with _memories_lock:
        known = _memories.get(place)
    seen_before = known.seen if known else 0
    state = read_state(database, key, image_id)
    if state is None:
        _forget(database, key)
        return None
    memory = _memory(place, state.collection_id, source)
    if memory is not known:
        seen_before = 0
        _forget_deleted(database)
    joined = Images(source.index())
    hidden: frozenset[str] = frozenset()
    with memory.lock:
        inside = in_transaction(database)
        # Only a restored backup counts backwards; a transaction may see an older snapshot.
        if (state.seq < seen_before and not inside) or memory.seen < state.horizon:
            memory.forget()
        new = state.seq > memory.seen
        path = (
            cache.path_in(cache_folder, database, state.collection_id)
            if cache_folder is not None and not inside and (new or memory.early)
            else None
        )
        if path is not None and not memory.seen:
            memory.load_snapshot(path, state)
        if early and not whole and not memory.seen and memory.hasty:
            memory.load_blocks(state)
        if memory.early:
            memory.catch_up(key, path)
        if state.seq > memory.seen or state.unnumbered:
            # One's own uncommitted change hides the committed state of its row. Were the rows
            # after it remembered now, that state would be lost after a rollback.
            remember = not (inside and state.unnumbered)
            hidden = memory.read_rows(state, joined, remember=remember)
        if new and not inside:
            memory.save_now_and_then(path, state, with_blocks=early)
        images, partly = memory.images, memory.early
        memory.weigh()
    if whole and partly:
        memory.wait()
        return _look(database, key, source, image_id, cache_folder, early=False, whole=True)
    if len(hidden) > TOO_MANY_UNNUMBERED and not inside:
        publish(database, state.collection_id)
    return View(database, state.collection_id, images, joined, hidden, state.asked)


def _memory(
    place: tuple[str, str, str], collection_id: str, source: Source[Index]
) -> Memory[Index]:
    with _memories_lock:
        memory = _memories.pop(place, None)
        if memory is None or memory.collection_id != collection_id:
            memory = Memory(place[0], collection_id, source)
        _memories[place] = memory  # in the last place
        return memory


def _keep_within(most_bytes: int, searched: tuple[str, str, str]) -> None:
    """Drop the memories least recently searched until the rest are small enough."""
    with _memories_lock:
        total = sum(memory.size for memory in _memories.values())
        for place in list(_memories):
            if total <= most_bytes:
                return
            if place != searched:
                total -= _memories.pop(place).size


def _forget(database: str, key: str) -> None:
    """Drop all memories of one collection."""
    with _memories_lock:
        for place in [place for place in _memories if place[:2] == (database, key)]:
            del _memories[place]


def _forget_deleted(database: str) -> None:
    """Drop the memories of collections that are gone, once there are many more than before."""
    with _memories_lock:
        held = {place: one for place, one in _memories.items() if place[0] == database}
    if len(held) < _look_again_at.get(database, _MANY):
        return
    ids = list({memory.collection_id for memory in held.values()})
    there: set[str] = set()
    for start in range(0, len(ids), _TOGETHER):
        rows = Collection.objects.using(database).filter(pk__in=ids[start : start + _TOGETHER])
        there.update(rows.values_list("pk", flat=True))
    gone = [place for place, memory in held.items() if memory.collection_id not in there]
    with _memories_lock:
        for place in gone:
            if _memories.get(place) is held[place]:
                del _memories[place]
    _look_again_at[database] = max(_MANY, 2 * (len(held) - len(gone)))
