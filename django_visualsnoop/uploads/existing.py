"""``find_existing()``: the rows whose picture is a copy of a file that is about to be saved."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import models, router

from django_visualsnoop.client.exceptions import ImageRefusedError
from django_visualsnoop.collections import collections
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.search_options import COPY, SearchOptions
from django_visualsnoop.common.transactions import savepoint_if_open
from django_visualsnoop.search.similar import fields_searched, rank_rows
from django_visualsnoop.uploads.locking import lock_uploads
from django_visualsnoop.uploads.recent import find_copies_among_recent, find_same_file
from django_visualsnoop.uploads.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.indexed.options import IndexedField

logger = logging.getLogger(__name__)

_Model = TypeVar("_Model", bound=models.Model)

#: How many rows are returned if the caller names no limit.
DEFAULT_LIMIT = 10


def find_existing(
    rows: type[_Model] | models.Manager[_Model] | models.QuerySet[_Model],
    file: ImageSource | list[object],  # the stubs say so of request.FILES[...]
    *,
    field: str | None = None,
    exclude: models.Model | None = None,
    limit: int = DEFAULT_LIMIT,
) -> list[_Model]:
    """Return the rows whose picture is a copy of a file, closest first.

    The collection finds the rows that it has. Of the newest rows that no worker has processed yet,
    this finds those with the same file, and, with the embedded engine, copies in other files. That
    part of the work is limited in number and time.

    Inside a transaction, this waits for other transactions that are checking the same file, until
    they end. So if two requests check and save one file at once, each in a transaction, the second
    finds the row of the first.

    Errors of the search are logged and not raised: a search that fails blocks no upload.

    Args:
        rows: the model, manager or QuerySet of the rows to search.
        file: an uploaded file, another binary file, a field file, a path, or bytes. It is left at
            its start.
        field: the image field to search; all indexed fields of the model if ``None``.
        exclude: a row to leave out: the one that the file is for.
        limit: the largest number of rows, at least 1.

    Raises:
        ValueError: the model does not index the field.
    """
    queryset = _to_queryset(rows)
    fields = fields_searched(queryset.model, field)
    upload = Upload.of(cast("ImageSource", file))
    own = None if exclude is None else exclude.pk
    if own is not None:
        queryset = queryset.exclude(pk=own)
    # First, because on SQLite a transaction that has read may be unable to write.
    lock_uploads([upload.digest], using=database_of(queryset))
    keys = search_copies(queryset, upload, fields, field=field, limit=limit)
    keys += find_same_uploads(queryset, upload, fields)
    return fetch_rows(queryset, keys, limit)


def search_copies(
    queryset: models.QuerySet[Any],
    upload: Upload,
    fields: Iterable[IndexedField],
    *,
    field: str | None,
    limit: int,
) -> list[Any]:
    """Return the keys of copies in collections, then of copies that wait for a worker.

    Args:
        queryset: the rows.
        upload: the file.
        fields: the fields to search.
        field: the name of the only field; ``None`` for all.
        limit: the largest number of copies from collections.
    """

    def search() -> list[Any]:
        if any(upload.size > collections[one.collection].max_bytes for one in fields):
            return []
        options = SearchOptions(limit=limit, relations=(COPY,))
        found = rank_rows(queryset, upload.read(), options, field=field)  # type: ignore[type-var]
        return list(found.values_list("pk", flat=True))

    def compare() -> list[Any]:
        using = database_of(queryset)
        return [key for one in fields for key in find_copies_among_recent(one, upload, using)]

    return _attempt(search, queryset) + _attempt(compare, queryset)


def search_field(field: IndexedField, upload: Upload, *, own: object, using: str) -> list[Any]:
    """Return what ``search_copies()`` finds among all rows of one field.

    A second call for the same upload returns what the first has found.

    Args:
        field: the field to search.
        upload: the file.
        own: the key of the row that the file is for; ``None`` for a new row.
        using: alias of the database of the rows.
    """
    searched = (field, own, using)
    if searched not in upload.found:
        rows = other_rows(field, own=own, using=using)
        upload.found[searched] = search_copies(
            rows, upload, [field], field=field.name, limit=DEFAULT_LIMIT
        )
    return list(upload.found[searched])


def other_rows(field: IndexedField, *, own: object, using: str) -> models.QuerySet[Any]:
    """Return all rows of the model that declares a field, without the one with the key ``own``."""
    rows = field.owner._default_manager.using(using)
    return rows.all() if own is None else rows.exclude(pk=own)


def find_same_uploads(
    queryset: models.QuerySet[Any], upload: Upload, fields: Iterable[IndexedField]
) -> list[Any]:
    """Return the keys of rows whose recent upload has the same bytes. This reads no other file."""
    using = database_of(queryset)

    def compare() -> list[Any]:
        return [key for field in fields for key in find_same_file(field, upload, using)]

    return _attempt(compare, queryset)


def fetch_rows(queryset: models.QuerySet[_Model], keys: list[Any], limit: int) -> list[_Model]:
    """Return the rows with these keys, in their order, each once."""
    if not keys:
        return []

    def fetch() -> list[_Model]:
        found = queryset.in_bulk(list(dict.fromkeys(keys)))
        return [found[key] for key in dict.fromkeys(keys) if key in found][:limit]

    return _attempt(fetch, queryset)


def database_of(queryset: models.QuerySet[Any]) -> str:
    """Return the alias of the database that a save of these rows writes to."""
    hinted: Any = queryset
    return hinted._db or router.db_for_write(queryset.model, **hinted._hints)


def _attempt(work: Callable[[], list[_Found]], queryset: models.QuerySet[Any]) -> list[_Found]:
    """Return the result of a part of the search; log its error, and return nothing."""
    try:
        with savepoint_if_open(using=database_of(queryset)):
            return work()
    except ImageRefusedError:
        return []  # the field itself says that the file is not a picture
    except Exception as error:
        if is_interruption(error):
            raise
        logger.warning(
            "Could not search for rows of %s with the uploaded picture, so it passes unchecked.",
            queryset.model._meta.label,
            exc_info=error,
        )
        return []


_Found = TypeVar("_Found")


def _to_queryset(rows: Any) -> models.QuerySet[Any]:
    if isinstance(rows, type) and issubclass(rows, models.Model):
        return rows._default_manager.all()
    if isinstance(rows, models.Manager):
        return rows.all()
    if isinstance(rows, models.QuerySet):
        return rows
    raise TypeError(f"rows must be a model, a manager or a QuerySet, not {type(rows).__name__}.")
