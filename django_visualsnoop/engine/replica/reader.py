"""Bring a process's data of a collection up to date before each search.

The replica takes only rows with a number, which are committed. Rows without a number are
committed but not numbered yet, or written in the open transaction. They join only the search
that sees them, so a rollback leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.replica import held, snapshots
from django_visualsnoop.engine.replica.held import DEFAULT_MEMORY
from django_visualsnoop.engine.replica.replica import Replica, ReplicaImages
from django_visualsnoop.engine.replica.vector_kinds import Index
from django_visualsnoop.engine.replica.view import ReplicaView
from django_visualsnoop.engine.storage.publish import in_transaction, publish
from django_visualsnoop.engine.storage.queries import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from django_visualsnoop.engine.replica.vector_kinds import VectorKind
    from django_visualsnoop.engine.storage.queries import CollectionState

#: A search that finds more unnumbered rows than this numbers them: their writer died.
TOO_MANY_UNNUMBERED = 256


def read_view(
    database: str,
    key: str,
    vector_kind: VectorKind[Index],
    image_id: str | None = None,
    *,
    cache_folder: str | None = None,
    early: bool = False,
    whole: bool = False,
    most_bytes: int = DEFAULT_MEMORY,
) -> ReplicaView[Index] | None:
    """Return the current state of a collection; ``None`` until something is written.

    This executes one query if nothing is new, otherwise two, whatever the number of rows. On
    SQLite, it waits for writers.

    Args:
        database: alias in ``DATABASES``.
        key: ``key_of`` the collection's name.
        vector_kind: the kind of vectors to read and hold.
        image_id: id of an image whose row to read as well.
        cache_folder: for snapshots; see ``snapshots``.
        early: for images of a large collection that the process has not read yet, use the
            vectors alone for now; see ``vector_blocks``. Only for descriptors.
        whole: wait until the images are read, if another search used the vectors alone.
        most_bytes: if the process holds more of all collections, it drops the least recently
            searched ones; never the current one, however large.
    """
    reader = _Reader(database, key, vector_kind, image_id, cache_folder, early)
    view = retry_when_locked(lambda: reader.read(whole=whole), using=database)
    held.keep_within(most_bytes, reader.place)
    return view


@dataclass(frozen=True, slots=True)
class _Reader(Generic[Index]):
    """One call of ``read_view()``."""

    database: str
    key: str
    vector_kind: VectorKind[Index]
    image_id: str | None
    cache_folder: str | None
    early: bool

    @property
    def place(self) -> held.Place:
        return self.database, self.key, self.vector_kind.name

    def read(self, *, whole: bool) -> ReplicaView[Index] | None:
        known = held.find_replica(self.place)
        seen_before = known.seen if known else 0
        state = read_state(self.database, self.key, self.image_id)
        if state is None:
            held.drop_collection(self.database, self.key)
            return None
        replica = held.use_replica(self.place, state.collection_id, self.vector_kind)
        if replica is not known:
            seen_before = 0
            held.drop_deleted(self.database)
        joined = ReplicaImages(self.vector_kind.create_index())
        with replica.lock:
            hidden = self._bring_up_to_date(replica, state, joined, seen_before, whole=whole)
            images, partly = replica.images, replica.early
        if whole and partly:
            replica.wait()
            return self.read(whole=True)
        if len(hidden) > TOO_MANY_UNNUMBERED and not in_transaction(self.database):
            publish(self.database, state.collection_id)
        return ReplicaView(
            self.database, state.collection_id, images, joined, hidden, state.image_row
        )

    def _bring_up_to_date(
        self,
        replica: Replica[Index],
        state: CollectionState,
        joined: ReplicaImages[Index],
        seen_before: int,
        *,
        whole: bool,
    ) -> frozenset[str]:
        """Add committed rows to a replica, and rows without a number to ``joined``.

        Returns:
            The ids in ``joined``, including deleted ones.
        """
        inside = in_transaction(self.database)
        early = self.early and not whole
        # Only a restored backup counts backwards; a transaction may see an older snapshot.
        if (state.seq < seen_before and not inside) or replica.seen < state.horizon:
            replica.forget()
        new = state.seq > replica.seen
        path = self._snapshot_path(state) if not inside and (new or replica.early) else None
        if path is not None and not replica.seen:
            replica.load_snapshot(path, state)
        if early and not replica.seen and replica.hasty:
            replica.load_blocks(state)
        if replica.early:
            replica.catch_up(self.key, path)
        hidden: frozenset[str] = frozenset()
        if state.seq > replica.seen or state.unnumbered:
            # An own uncommitted change hides the committed state of its row. If the replica
            # remembered later rows now, that state would be lost after a rollback.
            remember = not (inside and state.unnumbered)
            hidden = replica.read_rows(state, joined, remember=remember)
        if new and not inside:
            replica.save_now_and_then(path, state, with_blocks=self.early)
        replica.weigh()
        return hidden

    def _snapshot_path(self, state: CollectionState) -> Path | None:
        if self.cache_folder is None:
            return None
        name = self.vector_kind.snapshot_name
        return snapshots.find_path(self.cache_folder, self.database, state.collection_id, name)
