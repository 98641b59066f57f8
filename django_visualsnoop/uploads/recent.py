"""Compare an upload with rows that searches may not find yet: those of recent sync requests.

The sync records name these rows. The work is limited, because a storage may be slow: the newest
rows come first, and only files of the same size are read to compare digests.
"""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from django_visualsnoop.collections import collections
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.outbox.record import SyncRecord, records_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models.fields.files import FieldFile

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.uploads.upload import Upload

logger = logging.getLogger(__name__)

#: How many of the newest rows are compared by their file's size and digest …
MAX_COMPARED = 100
#: … how many of those that no worker has processed are described, and for how many seconds.
MAX_DESCRIBED = 10
SECONDS = 2.0
#: Rows that a worker has processed count as recent for this long, in case a search began before.
#: More than the clocks of two machines differ.
RECENT = timedelta(minutes=2)


class _RecentFile(NamedTuple):
    key: Any
    file: FieldFile
    #: The digest that a worker has computed; empty if none has processed the row.
    digest: str


def find_same_file(field: IndexedField, upload: Upload, using: str) -> Iterator[Any]:
    """Yield the keys of recent rows with the same bytes, newest first.

    Args:
        field: the image field.
        upload: the file.
        using: alias of the database of the rows.
    """
    since = timezone.now() - RECENT
    deadline = time.monotonic() + SECONDS
    recent = SyncRecord.in_progress() | Q(requested_at__gte=since)
    for one in _read_files(field, recent, using, MAX_COMPARED):
        if one.digest:
            if one.digest == upload.digest:
                yield one.key
        elif time.monotonic() < deadline and _has_same_bytes(one.file, upload):
            yield one.key


def find_copies_among_recent(field: IndexedField, upload: Upload, using: str) -> Iterator[Any]:
    """Yield the keys of waiting rows whose picture is a copy, as far as there is time.

    Args:
        field: the image field.
        upload: the file.
        using: alias of the database of the rows.

    Raises:
        ImageRefusedError: the upload is not a picture.
    """
    waiting = _read_files(field, SyncRecord.in_progress(), using, MAX_DESCRIBED)
    collection = collections[field.collection]
    if not waiting or upload.size > collection.max_bytes:
        return
    deadline = time.monotonic() + SECONDS
    compared = []

    def read_in_time() -> Iterator[bytes]:
        for one in waiting:
            if time.monotonic() >= deadline:
                return
            content = _read(one.file, collection.max_bytes)
            if content is not None:
                compared.append(one.key)
                yield content

    for number, is_copy in enumerate(collection.compare_files(upload.read(), read_in_time())):
        if is_copy:
            yield compared[number]


def _read_files(field: IndexedField, which: Q, using: str, most: int) -> list[_RecentFile]:
    records = records_of(field, using).filter(which).order_by("-requested_at")[:most]
    digests: dict[Any, str] = {}
    for record in records:
        with suppress(ValidationError):  # no row can have an invalid key
            key = field.key_value(record.object_id, using)
            done = record.applied == record.generation
            digests[key] = record.digest if done else ""
    # Plain values: loading an instance may open its file, if it has dimension fields.
    rows = field.owner._base_manager.using(using).filter(pk__in=digests)
    names = dict(rows.values_list("pk", field.name))
    image_field: Any = field.owner._meta.get_field(field.name)
    return [
        _RecentFile(
            key, image_field.attr_class(field.owner(pk=key), image_field, names[key]), digest
        )
        for key, digest in digests.items()
        if names.get(key)
    ]


def _has_same_bytes(file: FieldFile, upload: Upload) -> bool:
    try:
        if file.size != upload.size:
            return False
        hasher = hashlib.sha256()
        with file.open("rb"):
            for chunk in file.chunks():
                hasher.update(chunk)
    except Exception as error:  # noqa: BLE001 -- a storage may raise anything
        _log(file, error)
        return False
    return hasher.hexdigest() == upload.digest


def _read(file: FieldFile, most: int) -> bytes | None:
    """Return the bytes of a file; ``None`` if it is too large or cannot be read."""
    try:
        if file.size > most:
            return None
        with file.open("rb") as opened:
            content: bytes = opened.read()
            return content
    except Exception as error:  # noqa: BLE001 -- a storage may raise anything
        _log(file, error)
        return None


def _log(file: FieldFile, error: Exception) -> None:
    if is_interruption(error):
        raise error
    logger.info("Could not compare the upload with the file %s.", file.name, exc_info=error)
