"""Snapshots of the collections in processes, in a folder that the operator chooses.

Only a process that starts reads a snapshot, and then the rows numbered since. It ignores a
snapshot that does not fit the table: a snapshot is only a faster way to read rows.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connections

from django_visualsnoop.engine.index.memory.snapshot import (
    Facts,
    SnapshotError,
    open_snapshot,
    write_snapshot,
)
from django_visualsnoop.engine.models import IndexedImage, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.engine.index.memory.layouts import Layout

logger = logging.getLogger("django_visualsnoop.engine")

#: Smaller collections load from the table in less than a second.
LEAST = 10_000
#: A snapshot is written again once this share of the images is newer.
CHANGED = 0.1
#: Number of rows, those numbered last, that are compared with the table.
_WITNESSES = 100

_warned: set[str] = set()


def find_path(folder: str, database: str, collection_id: str, content: str) -> Path | None:
    """Return the path of a collection's snapshot; ``None`` if the folder cannot be used.

    Copies of a database, such as for a test system, have collections with the same id. So the
    name identifies the database.

    Args:
        folder: the folder of all snapshots.
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        content: what the snapshot holds; see ``VectorKind.snapshot_name``.
    """
    place = Path(folder)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = place.stat()
        if hasattr(os, "getuid") and (
            about.st_uid != os.getuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        ):
            raise PermissionError("it belongs to another user, or other users can write to it")
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError("this process cannot write to it")
    except OSError as error:
        _warn(folder, error)
        return None
    settings = connections[database].settings_dict
    which = "\0".join(str(settings.get(name)) for name in ("ENGINE", "HOST", "PORT", "NAME"))
    short = sha256(which.encode()).hexdigest()[:8]
    return place / f"{collection_id}-{short}-{content}.snapshot"


def delete_snapshots(folder: str, collection_id: str) -> None:
    """Delete the snapshots of a collection that was deleted, with the ids of its images.

    Args:
        folder, collection_id: see ``find_path``.
    """
    for path in Path(folder).glob(f"{collection_id}-*.snapshot*"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("Could not delete the snapshot of a deleted collection: %s", error)


def load(
    path: Path, layout: Layout, database: str, collection_id: str, seq: int, horizon: int
) -> tuple[Any, int] | None:
    """Return a snapshot and the number up to which it holds all rows; ``None`` if none is valid.

    Args:
        path: see ``find_path``.
        layout: how the images are stored.
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        seq: current number of the collection.
        horizon: current horizon of the collection.
    """
    try:
        segment, facts = open_snapshot(path, layout)
    except SnapshotError as error:
        if path.exists():
            logger.warning("Could not use the snapshot, which will be written again: %s", error)
        return None
    right = facts.collection_id == collection_id and horizon <= facts.seq <= seq
    if not right or not _has_witnesses(database, facts):
        return None
    return segment, facts.seq


def _has_witnesses(database: str, facts: Facts) -> bool:
    """Return whether the table has the last rows of the snapshot, or later states of them.

    After restoring a backup, rows may get the numbers that lost ones had.
    """
    if not facts.witness:
        return True
    known = {str(image_id): (seq, image_time) for image_id, seq, image_time in facts.witness}
    first = min(int(seq) for _, seq, _ in facts.witness)
    rows = IndexedImage.objects.using(database).filter(collection_id=facts.collection_id)
    # Two queries: with both conditions in one query, SQLite reads all rows.
    named = rows.filter(key__in=list(map(key_of, known)))
    again = rows.filter(seq__gt=first, seq__lte=facts.seq, deleted__isnull=True)
    found = set()
    for some in (named, again):
        for image_id, seq, image_time in some.values_list("image_id", "seq", "image_time"):
            found.add(image_id)
            changed_since = seq is None or seq > facts.seq
            if not changed_since and known.get(image_id) != (seq, image_time):
                return False
    return found >= known.keys()


def save(
    path: Path,
    layout: Layout,
    database: str,
    collection_id: str,
    seq: int,
    horizon: int,
    parts: Sequence[Any],
) -> threading.Thread:
    """Write a snapshot, in a thread. A failure is logged, and harmless.

    Args:
        path, layout, database, collection_id, horizon: see ``load``.
        seq: the number up to which all rows are in ``parts``.
        parts: the images.
    """
    rows = IndexedImage.objects.using(database).filter(
        collection_id=collection_id, seq__lte=seq, deleted__isnull=True
    )
    last = rows.order_by("-seq").values_list("image_id", "seq", "image_time")[:_WITNESSES]
    witness: list[list[str | int]] = [
        [image_id, number or 0, image_time] for image_id, number, image_time in last
    ]
    facts = Facts(collection_id, seq, horizon, witness)

    def run() -> None:
        try:
            write_snapshot(path, parts, facts, layout)
        except OSError as error:
            _warn(str(path.parent), error)

    thread = threading.Thread(target=run, name="visualsnoop-snapshot", daemon=True)
    thread.start()
    return thread


def _warn(folder: str, error: OSError) -> None:
    if folder not in _warned:
        _warned.add(folder)
        logger.warning(
            "Could not keep snapshots of collections in %s, so each process reads all rows: %s",
            folder,
            error,
        )
