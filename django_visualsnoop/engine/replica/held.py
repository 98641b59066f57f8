"""The replicas that a process holds, within a shared memory limit.

A replica dropped while another thread searches it lives until that search ends.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from django_visualsnoop.engine.models import Collection
from django_visualsnoop.engine.replica.replica import Replica

if TYPE_CHECKING:
    from django_visualsnoop.engine.replica.vector_kinds import Index, VectorKind

    #: Alias of the database, key of the collection, name of the kind of vectors.
    Place = tuple[str, str, str]

#: Limit in bytes for all collections that a process holds: about a million images.
DEFAULT_MEMORY = 2 * 1024**3
#: From this many replicas on, a process looks for those of deleted collections.
_MANY = 8
#: Number of collections in one query.
_TOGETHER = 500

#: The least recently searched first.
_replicas: dict[Place, Replica[Any]] = {}
_lock = threading.Lock()
#: By database: the number of replicas at which to look for deleted collections again.
_look_again_at: dict[str, int] = {}


def _after_fork() -> None:
    """Keep the data loaded before the fork, except what another thread was changing."""
    global _lock
    _lock = threading.Lock()
    for place, replica in list(_replicas.items()):
        if replica.lock.locked():
            del _replicas[place]
        else:
            replica.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def find_replica(place: Place) -> Replica[Any] | None:
    """Return the held replica, or ``None``."""
    with _lock:
        return _replicas.get(place)


def use_replica(place: Place, collection_id: str, vector_kind: VectorKind[Index]) -> Replica[Index]:
    """Return the held replica of a collection; if there is none, hold and return an empty one."""
    with _lock:
        replica = _replicas.pop(place, None)
        if replica is None or replica.collection_id != collection_id:
            replica = Replica(place[0], collection_id, vector_kind)
        _replicas[place] = replica  # in the last place
        return replica


def keep_within(most_bytes: int, searched: Place) -> None:
    """Drop the least recently searched replicas until the rest fit the limit.

    This keeps all replicas of the searched collection: one search for similar images uses two, and
    would read both again each time.
    """
    with _lock:
        total = sum(replica.size for replica in _replicas.values())
        for place in list(_replicas):
            if total <= most_bytes:
                return
            if place[:2] != searched[:2]:
                total -= _replicas.pop(place).size


def drop_collection(database: str, key: str) -> None:
    """Drop all replicas of one collection."""
    with _lock:
        for place in [place for place in _replicas if place[:2] == (database, key)]:
            del _replicas[place]


def drop_deleted(database: str) -> None:
    """Drop the replicas of deleted collections, once there are many more than before."""
    with _lock:
        held = {place: one for place, one in _replicas.items() if place[0] == database}
    if len(held) < _look_again_at.get(database, _MANY):
        return
    ids = list({replica.collection_id for replica in held.values()})
    there: set[str] = set()
    for start in range(0, len(ids), _TOGETHER):
        rows = Collection.objects.using(database).filter(pk__in=ids[start : start + _TOGETHER])
        there.update(rows.values_list("pk", flat=True))
    gone = [place for place, replica in held.items() if replica.collection_id not in there]
    with _lock:
        for place in gone:
            if _replicas.get(place) is held[place]:
                del _replicas[place]
    _look_again_at[database] = max(_MANY, 2 * (len(held) - len(gone)))
