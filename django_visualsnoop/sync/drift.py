"""Drift: differences between rows, records and collections."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.indexed.rows import by_keys
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.indexed.rows import IndexedRow


class Drift(StrEnum):
    """How a row, its record and the collection may differ."""

    MISSING = "missing"
    UNRECORDED = "unrecorded"
    CHANGED = "changed"
    EXTRA = "extra"
    ORPHANED = "orphaned"
    WAITING = "waiting"
    RETRYING = "retrying"
    FAILED = "failed"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Drift.MISSING: "the collection does not list the picture of a row",
    Drift.UNRECORDED: "a row has a picture but no sync record",
    Drift.CHANGED: "a row changed without a sync request",
    Drift.EXTRA: "the collection lists a picture that no row has",
    Drift.ORPHANED: "a sync record has no row",
    Drift.WAITING: "a sync request is waiting for a worker",
    Drift.RETRYING: "a sync failed and will be retried",
    Drift.FAILED: "a sync failed permanently",
}

_PENDING = {
    SyncRecord.State.WAITING: Drift.WAITING,
    SyncRecord.State.RETRYING: Drift.RETRYING,
    SyncRecord.State.FAILED: Drift.FAILED,
}
#: Drift for which a sync request already exists, whether it is pending or has failed.
REQUESTED = frozenset(_PENDING.values())
#: Results of ``pending_drift()`` for records that no worker will process without a new request.
NEEDS_REQUEST = (None, Drift.FAILED)


def with_records(
    field: IndexedField, batches: Iterable[list[IndexedRow]], *, using: str
) -> Iterator[list[tuple[IndexedRow, SyncRecord | None]]]:
    """Yield each row with its record; one query per batch."""
    for rows in batches:
        ids = [field.record_id(row.object_id) for row in rows]
        records = retry_when_locked(
            partial(SyncRecord.objects.using(using).in_bulk, ids), using=using
        )
        yield [(row, records.get(key)) for row, key in zip(rows, ids, strict=True)]


def rows_to_request(
    field: IndexedField, batches: Iterable[list[IndexedRow]], *, using: str
) -> Iterator[list[IndexedRow]]:
    """Yield, per batch, the rows that differ from their record and have no sync request.

    Causes are a QuerySet that is not a ``VisualSnoopQuerySet``, a stale instance, or SQL.
    """
    for batch in with_records(field, batches, using=using):
        drifts = ((row, drift_of(field, row, record, using)) for row, record in batch)
        yield [row for row, drift in drifts if drift is not None and drift not in REQUESTED]


def drift_of(
    field: IndexedField, row: IndexedRow, record: SyncRecord | None, using: str
) -> Drift | None:
    """Return how a row and its record differ; ``None`` if they are in sync."""
    if record is None:
        # A row that its condition excludes needs a record, too: it notes when the result changes.
        return Drift.UNRECORDED if row.name else None
    pending = pending_drift(record)
    if pending is Drift.FAILED and record.name != row.name:
        return Drift.CHANGED  # another file failed, not this one
    if pending is not None:
        return pending
    applied = (record.image_id, record.wanted, record.name)
    wanted = (field.image_id(row.object_id, using), row.wanted, row.name if row.wanted else "")
    return None if row.name and applied == wanted else Drift.CHANGED


def pending_drift(record: SyncRecord) -> Drift | None:
    """Return the state of a record as drift; ``None`` if the record is in sync."""
    return _PENDING.get(record.state)


def without_a_row(
    field: IndexedField, records: Iterable[SyncRecord], *, using: str
) -> list[SyncRecord]:
    """Return the records of one field whose row does not exist; one query."""
    keys: dict[Any, SyncRecord] = {}
    gone = []
    for record in records:
        key = field.key_of(record.object_id)
        if key is None:
            gone.append(record)
        else:
            keys[key] = record
    found = by_keys(field, keys, using=using)
    return gone + [record for key, record in keys.items() if key not in found]
