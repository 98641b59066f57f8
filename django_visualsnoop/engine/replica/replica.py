"""Hold a collection's images in a process, and read them from the rows.

A process that starts may load the vectors of a large collection from ``vector_blocks``. So it
can answer while a thread reads the rows with the local features.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from django.db import DatabaseError, connections

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.engine.replica import snapshots, vector_blocks
from django_visualsnoop.engine.replica.vector_kinds import Index
from django_visualsnoop.engine.storage.queries import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from django_visualsnoop.engine.replica.vector_kinds import VectorKind
    from django_visualsnoop.engine.storage.queries import CollectionState

logger = logging.getLogger("django_visualsnoop.engine")

_FETCH = 2000
#: A process checks at most this often whether to write the blocks again.
_ASK_AGAIN_SECONDS = 60.0


class ReplicaRow(NamedTuple):
    image_id: str
    seq: int | None
    deleted: int | None
    #: The input of the index; ``None`` if it cannot be compared.
    content: bytes | None


@dataclass(slots=True)
class ReplicaImages(Generic[Index]):
    """An index, and the ids of images without a vector that can be compared."""

    index: Index
    outdated: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def take(self, row: ReplicaRow) -> None:
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


class Replica(Generic[Index]):
    """One collection in this process. ``seen`` is the last number that it has read.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        vector_kind: the kind of vectors to hold.
    """

    def __init__(self, database: str, collection_id: str, vector_kind: VectorKind[Index]) -> None:
        self.database = database
        self.collection_id = collection_id
        self.vector_kind = vector_kind
        self.lock = threading.Lock()
        #: Whether it may begin with vectors alone: not after a thread has failed to read the rows.
        self.hasty = True
        self._asked = -_ASK_AGAIN_SECONDS
        self.forget()

    def forget(self) -> None:
        self.images = ReplicaImages(self.vector_kind.create_index())
        #: Bytes at the last call of ``weigh``.
        self.size = 0
        self.seen = 0
        #: Number of rows read since the snapshot.
        self.unsaved = 0
        #: Whether it has only vectors of some images, and the thread that reads the rest; see
        #: ``catch_up``.
        self.early = False
        self._reader: threading.Thread | None = None

    def weigh(self) -> int:
        """Return the size of the images in bytes, and store it in ``size``."""
        self.size = self.images.index.nbytes
        return self.size

    def after_fork(self) -> None:
        """Make the replica usable in a child process, which has no other thread."""
        self.images.index.after_fork()
        self._reader = None

    def read_rows(
        self, state: CollectionState, joined: ReplicaImages[Index], *, remember: bool = True
    ) -> frozenset[str]:
        """Read new rows; return the ids of those that are not remembered.

        Args:
            state: the state of the collection.
            joined: takes the rows that are not remembered.
            remember: whether to remember numbered rows; others are never remembered.
        """
        rows = IndexedImage.objects.using(self.database).filter(collection_id=self.collection_id)
        columns = ("image_id", "seq", "deleted", *self.vector_kind.columns)
        if self.seen:
            # One statement, so that no row gets a number between two. With one condition joined by
            # OR, SQLite reads all rows of the collection.
            found = rows.filter(seq__isnull=True).values_list(*columns)
            found = found.union(rows.filter(seq__gt=self.seen).values_list(*columns), all=True)
        else:
            found = rows.exclude(deleted__isnull=False, seq__isnull=False).values_list(*columns)
        hidden: set[str] = set()
        seen = state.seq
        unusable = len(self.images.outdated) + len(self.images.broken)
        for image_id, seq, deleted, *values in found.iterator(chunk_size=_FETCH):
            row = ReplicaRow(image_id, seq, deleted, self.vector_kind.extract_content(*values))
            if seq is None or not remember:
                joined.take(row)
                hidden.add(image_id)
            else:
                self.images.take(row)
                self.unsaved += 1
                seen = max(seen, seq)
        if remember:
            self.seen = max(seen, self.seen)
            self._warn_of_unusable(unusable)
        return frozenset(hidden)

    def _warn_of_unusable(self, before: int) -> None:
        outdated, broken = len(self.images.outdated), len(self.images.broken)
        if outdated + broken > before:
            logger.warning(self.vector_kind.unusable, self.collection_id, outdated, broken)

    def load_snapshot(self: Replica[Any], path: Path, state: CollectionState) -> None:
        """Begin with a snapshot, if one fits."""
        layout = self.vector_kind.layout
        about = self.database, self.collection_id, state.seq, state.horizon
        found = snapshots.load(path, layout, *about)
        if found is not None:
            segment, self.seen = found
            self.images.index.adopt(segment)

    def load_blocks(self: Replica[Any], state: CollectionState) -> None:
        """Begin with the vectors in the database's blocks, if they fit."""
        if (
            not vector_blocks.are_usable(state.blocks_seq, state.horizon)
            or state.blocks_seq > state.seq
        ):
            return
        segment = vector_blocks.load(self.database, self.collection_id, state.blocks_seq)
        if segment is not None:
            self.images.index.adopt(segment)
            self.seen = state.blocks_seq
            self.early = True
            logger.info(
                "Searches of collection %s compare only vectors until all of its images are loaded",
                self.collection_id,
            )

    def catch_up(self, key: str, path: Path | None) -> None:
        """Start a thread that reads all rows, unless one is running; call with the lock held.

        Args:
            key: key of the collection's name.
            path: path of the snapshot; ``None`` for none.
        """
        if self._reader is None:
            self._reader = threading.Thread(
                target=self._read_all, args=(key, path, self.images), daemon=True
            )
            self._reader.name = "visualsnoop-rows"
            self._reader.start()
        elif not self._reader.is_alive():  # it failed: whoever asks next sees why
            self.hasty = False
            self.forget()

    def wait(self) -> None:
        """Wait for the thread that reads all rows, if one is running."""
        reader = self._reader
        if reader is not None:
            reader.join()

    def _read_all(self, key: str, path: Path | None, early: ReplicaImages[Index]) -> None:
        began = time.monotonic()
        try:
            found = retry_when_locked(lambda: self._read_anew(key), using=self.database)
            if found is None:
                return
            new, state = found
            new.images.index.settle()
            new.save_now_and_then(path, state, with_blocks=True)
            with self.lock:
                if self.images is early:  # not forgotten meanwhile
                    self.images, self.seen, self.unsaved = new.images, new.seen, new.unsaved
                    self.early = False
            logger.info(
                "Searches of collection %s now compare local features, too, after %.1f s",
                self.collection_id,
                time.monotonic() - began,
            )
        except DatabaseError as error:
            logger.warning(
                "Could not load the images of collection %s in the background: %s",
                self.collection_id,
                error,
            )
        finally:
            connections[self.database].close()

    def _read_anew(self, key: str) -> tuple[Replica[Index], CollectionState] | None:
        state = read_state(self.database, key, None)
        if state is None or state.collection_id != self.collection_id:
            return None
        new = Replica(self.database, self.collection_id, self.vector_kind)
        new.read_rows(state, ReplicaImages(self.vector_kind.create_index()))
        return new, state

    def save_now_and_then(
        self: Replica[Any], path: Path | None, state: CollectionState, *, with_blocks: bool
    ) -> None:
        """Write the snapshot and the blocks again, in threads, once enough has changed."""
        images = self.images
        # Each process that has read its rows counts the images that no search finds.
        if self.early or images.outdated or images.broken:
            return
        count = len(images.index)
        stale = self.unsaved >= snapshots.CHANGED * count
        to_file = stale and path is not None and count >= snapshots.LEAST
        to_blocks = (
            with_blocks
            and count >= vector_blocks.LEAST
            and (stale or not vector_blocks.are_usable(state.blocks_seq, state.horizon))
            and self._may_ask()
        )
        if not (to_file or to_blocks):
            return
        about = self.database, self.collection_id, self.seen, state.horizon
        if to_blocks:
            vector_blocks.save(*about, images.index.list_parts())
        if path is not None and to_file:
            snapshots.save(path, self.vector_kind.layout, *about, images.index.list_kept())
        if stale:
            self.unsaved = 0

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if now - self._asked < _ASK_AGAIN_SECONDS:
            return False
        self._asked = now
        return True
