"""The answers of recent searches, kept in the process while their collection is unchanged.

An answer belongs to one collection, and to the number of its last change.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from sys import getsizeof
from typing import TYPE_CHECKING

from django_visualsnoop.engine.replica import held
from django_visualsnoop.engine.replica.vector_kinds import DescriptorVectors
from django_visualsnoop.engine.storage.publish import in_transaction
from django_visualsnoop.engine.storage.queries import read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from django_visualsnoop.engine.hits import Hits
    from django_visualsnoop.engine.storage.store import Store

    #: Alias of the database, id of the collection.
    Place = tuple[str, str]

#: Bytes of a collection; of an answer beside its hits; of a hit beside its id. Rounded up.
_COLLECTION_BYTES, _ANSWER_BYTES, _HIT_BYTES = 1000, 1500, 250


@dataclass(slots=True)
class _Collection:
    #: The number of its last change.
    seq: int
    #: By what was searched; the least recently used first.
    answers: OrderedDict[Hashable, Hits] = field(default_factory=OrderedDict)
    size: int = _COLLECTION_BYTES


class KeptAnswers:
    """Answers by collection and by what was searched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: The least recently searched first.
        self._collections: OrderedDict[Place, _Collection] = OrderedDict()
        #: Bytes, estimated.
        self.size = 0

    def find(self, place: Place, seq: int, searched: Hashable) -> Hits | None:
        """Return the answer if it is kept; forget all answers if the collection has changed."""
        with self._lock:
            collection = self._collections.get(place)
            if collection is None:
                return None
            if collection.seq != seq:
                self.size -= self._collections.pop(place).size
                return None
            self._collections.move_to_end(place)
            found = collection.answers.get(searched)
            if found is not None:
                collection.answers.move_to_end(searched)
            return found

    def keep(
        self, place: Place, seq: int, searched: Hashable, found: Hits, most_bytes: int
    ) -> None:
        """Keep an answer, and forget those that were not used for the longest time.

        Args:
            place: the collection.
            seq: the number of its last change, as read before the search.
            searched: what was searched.
            found: the answer.
            most_bytes: the limit for the answers of all collections.
        """
        with self._lock:
            collection = self._collections.get(place)
            if collection is None:
                collection = self._collections[place] = _Collection(seq)
                self.size += collection.size
            if collection.seq != seq or searched in collection.answers:
                return
            collection.answers[searched] = found
            self._add(collection, _weigh(found))
            while self.size > most_bytes:
                oldest, least_used = next(iter(self._collections.items()))
                if len(least_used.answers) > 1 and len(self._collections) == 1:
                    self._add(least_used, -_weigh(least_used.answers.popitem(last=False)[1]))
                else:
                    self.size -= self._collections.pop(oldest).size

    def _add(self, collection: _Collection, more: int) -> None:
        collection.size += more
        self.size += more


def _weigh(found: Hits) -> int:
    return _ANSWER_BYTES + sum(_HIT_BYTES + getsizeof(hit.image_id) for hit in found.hits)


_kept = KeptAnswers()


def _after_fork() -> None:
    global _kept
    _kept = KeptAnswers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def answer(store: Store, searched: Hashable, search: Callable[[], Hits], most_bytes: int) -> Hits:
    """Return what ``search`` returns, or an earlier answer if nothing has changed since.

    This executes one query, to find out whether anything has changed.

    Args:
        store: the store of the collection.
        searched: all that the answer depends on, except the images of the collection.
        search: searches the collection.
        most_bytes: bytes that the process may keep of all collections' answers; 0 for none.
    """
    if not most_bytes or in_transaction(store.database):
        return search()
    state = read_state(store.database, store.key, None)
    # A row without a number may change again without a change of the collection's number.
    if state is None or state.unnumbered:
        return search()
    place = store.database, state.collection_id
    kept = _kept.find(place, state.seq, searched)
    if kept is not None:
        return kept
    before = _find_loaded_images(store)
    found = search()
    if before is not None and before is _find_loaded_images(store):
        _kept.keep(place, state.seq, searched, found, most_bytes)
    return found


def _find_loaded_images(store: Store) -> object | None:
    """Return what the process holds of a collection; ``None`` if it has not loaded all of it.

    Until then, searches compare less.
    """
    replica = held.find_replica((store.database, store.key, DescriptorVectors().name))
    return None if replica is None or replica.early else replica.images
