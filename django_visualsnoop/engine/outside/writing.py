"""Write rows to an index outside the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.engine.outside.entries import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from django_visualsnoop.engine.index.base import OutsideIndex
    from django_visualsnoop.engine.models import IndexedImage
    from django_visualsnoop.engine.outside.entries import Row


def write_rows(
    collection_id: str, index: OutsideIndex, rows: QuerySet[IndexedImage], read: Iterable[Row]
) -> int:
    """Write rows to an index, again where they have changed meanwhile.

    Without the second look, this process could replace a newer entry by an older one, if it was so
    slow that another one has taken its lease.

    Args:
        collection_id: id of the collection.
        index: the index.
        rows: all rows of the collection.
        read: the rows to write, as they were read.

    Returns:
        How many rows were written.
    """
    count = 0
    portion = list(read)
    while portion:
        count += len(portion)
        index.upsert(collection_id, [row.entry for row in portion if row.entry is not None])
        index.delete(collection_id, [row.row_id for row in portion if row.entry is None])
        seen = {row.row_id: row.seq for row in portion}
        current = rows.filter(pk__in=list(seen)).values_list("pk", "seq")
        changed = [pk for pk, seq in current if seq != seen[pk]]
        portion = list(read_rows(rows.filter(pk__in=changed))) if changed else []
    return count
