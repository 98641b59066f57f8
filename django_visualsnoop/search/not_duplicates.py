"""Rows whose pictures a user marked as not duplicates. The collections store the marks.

A mark is one of two pictures. Rows have several pictures if their model has several image fields.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from django_visualsnoop.collections import collections
from django_visualsnoop.collections.base import build_unsupported_marks
from django_visualsnoop.indexed.image_ids import ImageIds
from django_visualsnoop.search.aliases import written_alias
from django_visualsnoop.search.keys import MAX_LISTED, read_present_keys
from django_visualsnoop.search.similar import fields_searched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from django_visualsnoop.collections.base import BaseCollection
    from django_visualsnoop.querysets import VisualSnoopQuerySet

    ImageIdPairs = list[tuple[str, str]]

#: The largest number of rows of one call: the number of their pairs grows with its square.
MAX_ROWS = 500


def mark_rows(queryset: VisualSnoopQuerySet[Any], rows: Iterable[Any], *, field: str | None) -> int:
    """Implement ``VisualSnoopQuerySet.mark_not_duplicates()``."""

    def mark(collection: BaseCollection, pairs: ImageIdPairs) -> int:
        return collection.mark_not_duplicates(pairs, ignore_missing=True)

    return _call_collections(mark, queryset, rows, field)


def unmark_rows(
    queryset: VisualSnoopQuerySet[Any], rows: Iterable[Any], *, field: str | None
) -> int:
    """Implement ``VisualSnoopQuerySet.unmark_not_duplicates()``."""

    def unmark(collection: BaseCollection, pairs: ImageIdPairs) -> int:
        return collection.unmark_not_duplicates(pairs)

    return _call_collections(unmark, queryset, rows, field)


def list_rows(queryset: VisualSnoopQuerySet[Any], *, field: str | None) -> list[tuple[Any, Any]]:
    """Implement ``VisualSnoopQuerySet.list_not_duplicates()``."""
    ids, aliases = _list_ids(queryset, field)
    pairs = list_marked_keys(ids, aliases)
    present = read_present_keys(queryset, {key for pair in pairs for key in pair})
    return [pair for pair in pairs if present.issuperset(pair)]


def list_marked_keys(
    ids: ImageIds, aliases: Iterable[str], keys: Collection[Any] | None = None
) -> list[tuple[Any, Any]]:
    """Return pairs of keys of rows with marked pictures, each pair once, as ``order_keys`` does.

    Args:
        ids: the image ids of the fields.
        aliases: aliases of the fields' collections.
        keys: pairs without any of these rows may be missing; none are if ``None``.
    """
    found: dict[tuple[Any, Any], None] = {}
    for alias in aliases:
        own = ids.in_collection(alias)
        wanted = None if keys is None or len(keys) > MAX_LISTED else own.build(keys)
        for pair in collections[alias].list_not_duplicates(wanted):
            first, second = map(own.parse, pair)
            if first is not None and second is not None and first.key != second.key:
                found[order_keys(first.key, second.key)] = None
    return list(found)


def order_keys(one: Any, other: Any) -> tuple[Any, Any]:
    """Return the keys of two rows in the order of their texts."""
    return (other, one) if str(one) > str(other) else (one, other)


def _list_ids(
    queryset: VisualSnoopQuerySet[Any], field: str | None
) -> tuple[ImageIds, tuple[str, ...]]:
    """Return the image ids of the fields, and the aliases of their collections."""
    fields = fields_searched(queryset.model, field)
    ids = ImageIds((one, written_alias(one, queryset)) for one in fields)
    return ids, tuple(dict.fromkeys(one.collection for one in fields))


def _call_collections(
    call: Callable[[BaseCollection, ImageIdPairs], int],
    queryset: VisualSnoopQuerySet[Any],
    rows: Iterable[Any],
    field: str | None,
) -> int:
    """Call a function with each collection and the pairs of pictures in it; return the sum."""
    ids, aliases = _list_ids(queryset, field)
    keys = _read_keys_of(queryset, rows)
    for alias in aliases:
        if not collections[alias].supports_not_duplicates:
            raise build_unsupported_marks(alias)
    count = 0
    for alias in aliases:
        images = [ids.in_collection(alias).build([key]) for key in keys]
        pairs = [pair for two in combinations(images, 2) for pair in product(*two)]
        count += call(collections[alias], pairs)
    return count


def _read_keys_of(queryset: VisualSnoopQuerySet[Any], rows: Iterable[Any]) -> list[Any]:
    """Return the keys of rows.

    Raises:
        TypeError: one is not a row of the model.
        ValueError: one is not saved, or there are less than two, or too many.
    """
    model = queryset.model
    keys: dict[Any, None] = {}
    for row in rows:
        if getattr(row, "_meta", None) is None or not issubclass(
            row._meta.concrete_model, model._meta.concrete_model
        ):
            raise TypeError(
                f"Give rows of {model._meta.label}, such as those of a QuerySet, not {row!r:.120}."
            )
        key = getattr(row, model._meta.pk.attname)
        if key is None:
            raise ValueError(f"{row!r:.120} has no primary key. Save the row first.")
        keys[key] = None
    if not 2 <= len(keys) <= MAX_ROWS:
        raise ValueError(f"Give 2 to {MAX_ROWS} different rows, not {len(keys)}.")
    return list(keys)
