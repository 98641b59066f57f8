"""Compare rows, records and listings without changing anything."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.utils import timezone

from django_visualsnoop.common.batches import iter_batches
from django_visualsnoop.indexed.rows import batches
from django_visualsnoop.outbox.record import SyncRecord, records_of
from django_visualsnoop.sync.drift import (
    REQUESTED,
    Drift,
    drift_of,
    pending_drift,
    with_records,
    without_a_row,
)
from django_visualsnoop.sync.listing import Category, Listing
from django_visualsnoop.sync.prune import orphaned_records

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.indexed.rows import IndexedRow
    from django_visualsnoop.sync.listing import Listed

#: Examples kept of each kind of drift.
MAX_EXAMPLES = 5


@dataclass
class Report:
    """The drift that ``verify()`` found."""

    rows: int = 0
    listed: int = 0
    #: Listed ids of other projects or databases, which are no drift.
    foreign: int = 0
    drift: Counter[Drift] = field(default_factory=Counter)
    examples: dict[Drift, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, drift: Drift, image_id: str, detail: str = "") -> None:
        self.drift[drift] += 1
        if len(self.examples[drift]) < MAX_EXAMPLES:
            self.examples[drift].append(f"{image_id}: {detail}" if detail else image_id)


def verify(
    alias: str,
    fields: Collection[IndexedField],
    report: Report,
    *,
    using: str,
    batch_size: int,
    leftovers: bool,
) -> Iterator[int]:
    """Compare the fields of one collection with its listing; yield the number of rows per batch.

    Args:
        alias: alias of the collection.
        fields: the fields to compare, all of them in this collection.
        report: counts the drift.
        using: alias of the database.
        batch_size: rows, records or listed ids per batch.
        leftovers: also report images of fields that no longer exist.

    Raises:
        VisualSnoopError: the collection did not answer.
    """
    started = timezone.now()
    with closing(_Seen()) as seen:
        for listed in Listing(alias, using=using).walk(batch_size):
            report.listed += len(listed)
            seen.add(one.image_id for one in listed)
            _count_listed(listed, fields, report, using, leftovers=leftovers)
        for one in fields:
            found = batches(one, using=using, size=batch_size)
            for batch in with_records(one, found, using=using):
                there = seen.among(one.image_id(row.object_id, using) for row, _ in batch)
                for row, record in batch:
                    image_id = one.image_id(row.object_id, using)
                    listed_now = image_id in there or _is_fresh(record, started)
                    drift = drift_of(one, row, record, using)
                    if drift not in REQUESTED and row.wanted and not listed_now:
                        drift = Drift.MISSING
                    if drift is not None:
                        report.add(drift, image_id, _detail(drift, row, record))
                report.rows += len(batch)
                yield len(batch)
    for one in fields:
        for records in iter_batches(records_of(one, using), size=batch_size):
            for record in without_a_row(one, records, using=using):
                report.add(pending_drift(record) or Drift.ORPHANED, record.image_id, record.reason)
    if leftovers:
        for orphaned in orphaned_records(using, (alias,)):
            for records in iter_batches(orphaned, size=batch_size):
                for record in records:
                    report.add(Drift.ORPHANED, record.image_id)


def _is_fresh(record: SyncRecord | None, started: datetime) -> bool:
    """Whether it was synced after the listing began, which may therefore not include it."""
    return record is not None and record.synced_at is not None and record.synced_at >= started


def _count_listed(
    listed: list[Listed],
    fields: Collection[IndexedField],
    report: Report,
    using: str,
    *,
    leftovers: bool,
) -> None:
    unwanted = {
        one.field.record_id(one.object_id): one.image_id
        for one in listed
        if one.field is not None and one.field in fields
    }
    for record in SyncRecord.objects.using(using).filter(pk__in=list(unwanted)):
        if pending_drift(record) is not None:
            del unwanted[record.pk]  # counted with its row or its record
    for image_id in unwanted.values():
        report.add(Drift.EXTRA, image_id)
    for one in listed:
        if one.category is Category.LEFTOVER and leftovers:
            report.add(Drift.EXTRA, one.image_id)
        elif one.category in (Category.FOREIGN, Category.ELSEWHERE):
            report.foreign += 1


def _detail(drift: Drift, row: IndexedRow, record: SyncRecord | None) -> str:
    if record is None:
        return ""
    if drift is Drift.CHANGED:
        return f"indexed {record.name or 'no file'}, but the row has {row.name or 'no file'}"
    return record.reason


class _Seen:
    """The ids that a collection lists, on disk: millions of them would fill the memory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file, which SQLite deletes
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def close(self) -> None:
        self._database.close()

    def add(self, image_ids: Iterable[str]) -> None:
        rows = ((image_id,) for image_id in image_ids)
        self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?)", rows)

    def among(self, image_ids: Iterable[str]) -> set[str]:
        """Return the given ids that are listed."""
        # One lookup per id, because the number of parameters of a statement is limited.
        found = (
            self._database.execute("SELECT id FROM seen WHERE id = ?", (image_id,)).fetchone()
            for image_id in image_ids
        )
        return {row[0] for row in found if row is not None}
