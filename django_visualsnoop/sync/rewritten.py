"""Detect files that are rewritten in place after their row is saved.

Many tutorials do that: ``super().save()``, then ``image.save(self.photo.path)``.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.files.storage import FileSystemStorage

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.indexed.options import field_by_label

if TYPE_CHECKING:
    from django.db.models.fields.files import FieldFile

    from django_visualsnoop.outbox.record import SyncRecord

#: A file is fresh for this many seconds after it was written; a fresh file is read again after this
#: many seconds.
FRESH, LOOK_AGAIN_AFTER = 5.0, 10.0


def is_fresh(file: FieldFile) -> bool:
    """Whether a local file was written a moment ago; other storages cannot rewrite in place."""
    if not isinstance(file.storage, FileSystemStorage) or not file.name:
        return False
    try:
        written = file.storage.get_modified_time(file.name)
    except Exception as error:  # a custom storage may not support this
        if is_interruption(error):
            raise
        return False
    # Without USE_TZ both are naive, in the time zone that Django sets for the process.
    return (datetime.now(written.tzinfo) - written).total_seconds() < FRESH


def is_rewritten(record: SyncRecord) -> bool:
    """Whether the content of a record's file has changed since it was indexed."""
    field = field_by_label(record.model, record.field)
    if field is None or not record.name or not record.digest:
        return False
    column: Any = field.owner._meta.get_field(field.name)
    try:
        with column.storage.open(record.name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except Exception as error:  # a storage may raise anything
        if is_interruption(error):
            raise
        return False  # a missing file is the concern of its row, or of an audit
    return digest != record.digest
