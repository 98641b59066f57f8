"""Compare an index with the rows, entry by entry, and mend what differs.

A server may have been restored from a backup, or lost its data; so may the project's database. The
rows are the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.engine.outside import states
from django_visualsnoop.engine.outside.entries import Row, read_rows, read_stamps
from django_visualsnoop.engine.outside.writing import write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet

    from django_visualsnoop.engine.index.base import OutsideIndex

#: Number of rows and of entries compared together.
_PAGE = 1000


class Drift(NamedTuple):
    """How an index differs from the rows."""

    #: Number of images that the index lacks.
    missing: int = 0
    #: Number of images with an entry of another state.
    outdated: int = 0
    #: Number of entries without an image.
    extra: int = 0

    @property
    def total(self) -> int:
        return sum(self)


class _Range(NamedTuple):
    """Rows and entries in a range of row ids."""

    #: Row ids → stamps.
    rows: dict[int, int]
    entries: dict[int, int]
    #: The last row id; ``None`` if there are no more.
    last: int | None


def find_drift(
    database: str,
    collection_id: str,
    index: OutsideIndex,
    *,
    mend: bool = False,
    most: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Drift:
    """Compare an index with the rows that it has followed.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        index: an index that follows the collection.
        mend: whether to write what differs.
        most: compare about so many rows, and go on from there at the next call; all if ``None``.
        progress: called with the number of rows compared since the last call.

    Returns:
        What differed, before mending.

    Raises:
        IndexUnavailable: the index cannot be read or written now.
    """
    state = states.read_states(database, collection_id)[index.name]
    rows = IndexedImage.objects.using(database).filter(collection_id=collection_id)
    drift, compared = Drift(), 0
    for part in _iter_ranges(rows, collection_id, index, 0 if most is None else state.compared_row):
        found, wrong = _compare(part, rows, state.seq)
        drift = Drift(*map(sum, zip(drift, found, strict=True)))
        if mend:
            write_rows(collection_id, index, rows, wrong)
        if progress is not None:
            progress(len(part.rows))
        compared += max(len(part.rows), len(part.entries))
        if most is not None and (compared >= most or part.last is None):
            states.note_compared(database, collection_id, index, part.last or 0)
            break
    return drift


def _compare(part: _Range, rows: QuerySet[IndexedImage], seq: int) -> tuple[Drift, list[Row]]:
    """Return how the entries of a range differ from their rows, and those rows."""
    differing = {
        row_id
        for row_id in part.rows.keys() | part.entries.keys()
        if part.rows.get(row_id) != part.entries.get(row_id)
    }
    if not differing:
        return Drift(), []
    current = {row.row_id: row for row in read_rows(rows.filter(pk__in=differing))}
    missing, outdated, extra = [], [], []
    for row_id in differing:
        row = current.get(row_id, Row(row_id, seq, None))
        if row.seq is None or row.seq > seq:
            continue  # written meanwhile: the feed writes its entry
        if row.entry is None:
            if row_id in part.entries:
                extra.append(row)
        elif row_id not in part.entries:
            missing.append(row)
        elif row.entry.stamp != part.entries[row_id]:
            outdated.append(row)
    return Drift(len(missing), len(outdated), len(extra)), missing + outdated + extra


def _iter_ranges(
    rows: QuerySet[IndexedImage], collection_id: str, index: OutsideIndex, after: int
) -> Iterator[_Range]:
    """Yield all rows and all entries above a row id, in ranges."""
    living = rows.filter(deleted__isnull=True).order_by("pk")
    while True:
        stamps = list(read_stamps(living.filter(pk__gt=after)[:_PAGE]))
        entries = index.list_entries(collection_id, after, _PAGE)
        ends = [page[-1].row_id for page in (stamps, entries) if len(page) == _PAGE]
        last = min(ends, default=None)
        yield _Range(
            {one.row_id: one.stamp for one in stamps if last is None or one.row_id <= last},
            {one.row_id: one.stamp for one in entries if last is None or one.row_id <= last},
            last,
        )
        if last is None:
            return
        after = last
