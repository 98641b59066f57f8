"""Snapshots of what processes know of a collection, in a folder of the operator's choice.

Only a process that starts reads one; it then reads the rows numbered since. What
does not fit the table is not used: a snapshot is nothing but a faster way to read rows.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import zlib
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connections

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.index.memory.snapshot import (
    Facts,
    SnapshotError,
    open_snapshot,
    write_snapshot,
)
from django_visualsnoop.engine.models import IndexedImage, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.engine.index.memory.merge import SegmentPart
    from django_visualsnoop.engine.index.memory.segment import Segment

logger = logging.getLogger("django_visualsnoop.engine")

#: Smaller collections are read from the table in less than a second.
LEAST = 10_000
#: A snapshot is written again once this share of the images is newer.
CHANGED = 0.1
#: So many of the rows numbered last are compared with the table.
_WITNESSES = 100

_warned: set[str] = set()


def find_path(folder: str, database: str, collection_id: str) -> Path | None:
    """Return where a collection's snapshot is; ``None`` if the folder cannot be used.

    Copies of a database, say of a test system, have collections of the same id: so the
    name tells which database it is, and the order of the vectors' values, too.
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
    order = zlib.crc32(describe.invariant_first().astype("<i8").tobytes())
    return place / f"{collection_id}-{short}-{order:08x}.snapshot"


def load(
    path: Path, database: str, collection_id: str, seq: int, horizon: int
) -> tuple[Segment, int] | None:
    """Return a snapshot and the number up to which it holds all rows, if there is a true one.

    Args:
        path: see ``find_path``.
        database: alias in ``DATABASES``.
        collection_id: of the collection.
        seq: of the collection now.
        horizon: likewise.
    """
    try:
        segment, facts = open_snapshot(path)
    except SnapshotError as error:
        if path.exists():
            logger.warning("Could not use the snapshot, which will be written again: %s", error)
        return None
    right = facts.collection_id == collection_id and horizon <= facts.seq <= seq
    if not right or not _has_witnesses(database, facts):
        return None
    return segment, facts.seq


def _has_witnesses(database: str, facts: Facts) -> bool:
    """Return whether the table has the rows that the snapshot took last, or later states of them.

    After restoring a backup, rows may have got the numbers again that lost ones had.
    """
    if not facts.witness:
        return True
    known = {str(image_id): (seq, image_time) for image_id, seq, image_time in facts.witness}
    first = min(int(seq) for _, seq, _ in facts.witness)
    rows = IndexedImage.objects.using(database).filter(collection_id=facts.collection_id)
    # Two questions: asked for the one or the other at once, SQLite reads all rows.
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
    database: str,
    collection_id: str,
    seq: int,
    horizon: int,
    parts: Sequence[SegmentPart],
) -> threading.Thread:
    """Write a snapshot, in a thread. Failing is logged, and harmless.

    Args:
        path, database, collection_id, horizon: see ``load``.
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
            write_snapshot(path, parts, facts)
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
