"""The primary keys of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import QuerySet

#: The number of keys in one SQL condition; if there are more, all keys are read.
MAX_LISTED = 5000


def read_keys(queryset: QuerySet[Any]) -> set[Any]:
    """Return the keys of the rows of a QuerySet."""
    return set(queryset.order_by().values_list("pk", flat=True))


def read_present_keys(queryset: QuerySet[Any], keys: Collection[Any]) -> set[Any]:
    """Return the keys of a QuerySet that are among others, and perhaps more."""
    if len(keys) <= MAX_LISTED:
        return read_keys(queryset.filter(pk__in=keys))
    return read_keys(queryset)
