"""Forget merges that can no longer be undone, and delete the files of their rows if wanted."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.utils import timezone

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.common.transactions import write_when_free
from django_visualsnoop.merging.record import Resolution
from django_visualsnoop.merging.relations import every_row
from django_visualsnoop.merging.snapshot import Snapshot, file_names

if TYPE_CHECKING:
    from django.db.models import FileField

logger = logging.getLogger(__name__)


def expire_resolutions(using: str) -> int:
    """Delete the records of merges whose time for an undo is over; return how many.

    Files are deleted after the record: if this is interrupted between, a file is left over, and
    none is lost.

    Args:
        using: alias of the database.
    """
    expired = Resolution.objects.using(using).filter(expires_at__lte=timezone.now())
    keys = list(expired.values_list("pk", flat=True))
    for key in keys:
        record = write_when_free(partial(_take, key, using), Resolution, using=using)
        if record is not None and record.delete_files and record.restored_at is None:
            for field, name in file_names(Snapshot.from_text(record.snapshot)):
                _delete_file(field, name, using)
    return len(keys)


def expire_resolutions_quietly(using: str) -> None:
    """Like ``expire_resolutions()``; a database error is logged, and does not fail a sweep."""
    try:
        expire_resolutions(using)
    except DatabaseError as error:  # the tables may be older than the code
        logger.warning(
            "Could not delete the expired merges of database %r: %s", using, type(error).__name__
        )


def _take(key: int, using: str) -> Resolution | None:
    """Delete a record, and return it; ``None`` if another process was faster."""
    mine = Resolution.objects.using(using).filter(pk=key)
    lock_rows(mine)
    record = mine.first()
    mine.delete()
    return record


def _delete_file(field: FileField, name: str, using: str) -> None:
    """Delete a file that no row uses, and that no merge could bring back."""
    in_use = every_row(field.model, using).filter(**{field.name: name})
    needed = Resolution.objects.using(using).filter(snapshot__contains=json.dumps(name))
    if in_use.exists() or needed.exists():
        return
    try:
        field.storage.delete(name)
    except Exception as error:  # a storage may raise anything
        if is_interruption(error):
            raise
        logger.warning("Could not delete the file %r: %s", name, type(error).__name__)
