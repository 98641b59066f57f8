"""Files that are written again in place after their row is saved, as the usual tutorial does it:
``super().save()``, then ``image.save(self.photo.path)``.
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

#: A file that was written within so many seconds may be written again in a moment; and after how
#: many seconds it is looked at again.
FRESH, LOOK_AGAIN_AFTER = 5.0, 10.0


def is_fresh(file: FieldFile) -> bool:
    """Whether a file on a local disk was written a moment ago; others cannot be, in place."""
    if not isinstance(file.storage, FileSystemStorage) or not file.name:
        return False
    try:
        written = file.storage.get_modified_time(file.name)
    except Exception as error:  # a storage of the project's own may not know
        if is_interruption(error):
            raise
        return False
    # Without USE_TZ both are naive, in the zone that Django has given to the process.
    return (datetime.now(written.tzinfo) - written).total_seconds() < FRESH


def is_rewritten(record: SyncRecord) -> bool:
    """Whether the file of a record does not hold any more what was indexed."""
    field = field_by_label(record.model, record.field)
    if field is None or not record.name or not record.digest:
        return False
    column: Any = field.owner._meta.get_field(field.name)
    try:
        with column.storage.open(record.name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except Exception as error:  # a storage's errors are its own
        if is_interruption(error):
            raise
        return False  # it is gone, which its row says, or else an audit
    return digest != record.digest
