"""Rows beside their records: what disagrees, and what no wish will put right."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.indexed.rows import by_keys
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.indexed.rows import Row


class Drift(StrEnum):
    """How a row, its record and the collection may disagree."""

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
    Drift.MISSING: "a row wants its picture there, and the collection does not list it",
    Drift.UNRECORDED: "a row has a picture that no record knows of",
    Drift.CHANGED: "a row has changed without a wish",
    Drift.EXTRA: "the collection lists a picture that no row wants",
    Drift.ORPHANED: "a record's row is gone",
    Drift.WAITING: "a wish is not fulfilled yet",
    Drift.RETRYING: "a wish has failed and will be tried again",
    Drift.FAILED: "a wish has failed and waits until its picture changes or someone asks",
}

_STANDING = {
    SyncRecord.State.WAITING: Drift.WAITING,
    SyncRecord.State.RETRYING: Drift.RETRYING,
    SyncRecord.State.FAILED: Drift.FAILED,
}
#: Drift that a standing wish will put right, or has failed to.
STANDING = frozenset(_STANDING.values())
#: What ``pending_drift()`` says of a record that nobody will look at again by itself.
NEEDS_REQUEST = (None, Drift.FAILED)


def with_records(
    field: IndexedField, batches: Iterable[list[Row]], *, using: str
) -> Iterator[list[tuple[Row, SyncRecord | None]]]:
    """Put the record of each row beside it; one query a batch."""
    for rows in batches:
        ids = [field.record_id(row.object_id) for row in rows]
        records = retry_when_locked(
            partial(SyncRecord.objects.using(using).in_bulk, ids), using=using
        )
        yield [(row, records.get(key)) for row, key in zip(rows, ids, strict=True)]


def rows_to_request(
    field: IndexedField, batches: Iterable[list[Row]], *, using: str
) -> Iterator[list[Row]]:
    """Yield, batch by batch, the rows that disagree with their record where no wish stands.

    A QuerySet that was not ours, a stale instance saved over a newer one, or SQL may do that.
    """
    for batch in with_records(field, batches, using=using):
        drifts = ((row, drift_of(field, row, record, using)) for row, record in batch)
        yield [row for row, drift in drifts if drift is not None and drift not in STANDING]


def drift_of(field: IndexedField, row: Row, record: SyncRecord | None, using: str) -> Drift | None:
    """Return how a row and its record disagree; ``None`` if they do not."""
    if record is None:
        # Also one that its condition refuses needs a record, where a turn of it is noted.
        return Drift.UNRECORDED if row.name else None
    standing = pending_drift(record)
    if standing is Drift.FAILED and record.name != row.name:
        return Drift.CHANGED  # another file failed, not this one
    if standing is not None:
        return standing
    applied = (record.image_id, record.wanted, record.name)
    wanted = (field.image_id(row.object_id, using), row.wanted, row.name if row.wanted else "")
    return None if row.name and applied == wanted else Drift.CHANGED


def pending_drift(record: SyncRecord) -> Drift | None:
    """Return what has become of a record's wish so far; ``None`` if it came true."""
    return _STANDING.get(record.state)


def record_batches(records: QuerySet[SyncRecord], *, size: int) -> Iterator[list[SyncRecord]]:
    """Walk records by key, each batch one query; those that are deleted meanwhile do no harm."""
    after = None
    while True:
        rest = records if after is None else records.filter(pk__gt=after)
        page = rest.order_by("pk")[:size]
        batch: list[SyncRecord] = retry_when_locked(partial(list, page), using=records.db)
        if batch:
            yield batch
        if len(batch) < size:
            return
        after = batch[-1].pk


def without_a_row(
    field: IndexedField, records: Iterable[SyncRecord], *, using: str
) -> list[SyncRecord]:
    """Return those of these records of one field whose row is gone; one query."""
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
