"""Read the rows of an indexed field in batches, with whether each wants its image indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.db.models import Q

from django_visualsnoop.common.batches import iter_batches
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import is_lock_error, retry_when_locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.models import VisualSnoopMixin


@dataclass(frozen=True, slots=True)
class IndexedRow:
    """The part of a row that concerns its picture."""

    key: Any
    object_id: str
    #: The name of its file; empty if it has none.
    name: str
    #: Whether it has a file and its condition allows it to be indexed.
    wanted: bool


def with_picture(field: IndexedField, using: str) -> QuerySet[Any]:
    """Return the rows that have a file."""
    return _rows(field, using).exclude(Q(**{field.name: ""}) | Q(**{f"{field.name}__isnull": True}))


def count(field: IndexedField, *, using: str, after: Any = None) -> int:
    """Return the total number of rows that ``batches()`` will yield."""
    rows = _rows(field, using)
    return (rows if after is None else rows.filter(pk__gt=after)).count()


def last_key(field: IndexedField, *, using: str, size: int, after: Any = None) -> Any:
    """Return the key of the last of the next rows; ``None`` if there are none.

    Args:
        field: the indexed field.
        using: alias of the database.
        size: the largest number of rows.
        after: count from the first row after this key.
    """
    keys = _rows(field, using).order_by("pk").values_list("pk", flat=True)
    keys = keys if after is None else keys.filter(pk__gt=after)
    found = list(keys[:size])
    return found[-1] if found else None


def batches(
    field: IndexedField, *, using: str, size: int, after: Any = None, until: Any = None
) -> Iterator[list[IndexedRow]]:
    """Yield the rows of the model that declares the field, in the order of their keys.

    Each batch costs one query, and a second one if there is a condition.

    Args:
        field: the indexed field.
        using: alias of the database.
        size: rows per batch.
        after: start after this key.
        until: stop after this key.
    """
    found = _rows(field, using)
    found = found if until is None else found.filter(pk__lte=until)
    for batch in iter_batches(found, field.name, size=size, after=after):
        yield _with_condition(field, batch, using)


def by_keys(field: IndexedField, keys: Iterable[Any], *, using: str) -> dict[Any, IndexedRow]:
    """Return the existing rows among these keys, by key."""
    rows = _rows(field, using).filter(pk__in=list(keys)).values_list("pk", field.name)
    found = retry_when_locked(lambda: list(rows), using=using)
    return {row.key: row for row in _with_condition(field, found, using)}


def _rows(field: IndexedField, using: str) -> QuerySet[Any]:
    return field.owner._base_manager.using(using)


def _with_condition(
    field: IndexedField, found: Iterable[tuple[Any, Any]], using: str
) -> list[IndexedRow]:
    # Plain values, not instances: loading a row may open its file, if an ImageField has dimension
    # fields, and a missing file would raise an error.
    named = [(key, str(name or "")) for key, name in found]
    refused = _refused(field, [key for key, name in named if name], using)
    return [
        IndexedRow(key, field.key_text(key), name, wanted=bool(name) and key not in refused)
        for key, name in named
    ]


def _refused(field: IndexedField, keys: list[Any], using: str) -> set[Any]:
    """Return the keys of the rows that their condition excludes."""
    if not field.has_condition or not keys:
        return set()

    def refused() -> set[Any]:
        return {row.pk for row in _rows(field, using).filter(pk__in=keys) if not _says_yes(row)}

    try:
        return retry_when_locked(refused, using=using)
    except Exception as error:  # the project's code failed: find the row
        if is_interruption(error) or is_lock_error(error):
            raise
        if len(keys) == 1:
            return set()  # syncing it will fail in the same way and record the reason
        return {key for one in keys for key in _refused(field, [one], using)}


def _says_yes(row: object) -> bool:
    return cast("VisualSnoopMixin", row).visualsnoop_should_index()
