"""Find rows that changed without a sync request.

A save does not query what the row was before, so a stale instance that overwrites a newer file
name with an old one requests no sync. Neither does SQL, or a cascade inside the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.common.batches import iter_batches
from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.indexed.rows import batches
from django_visualsnoop.outbox.record import records_of
from django_visualsnoop.outbox.requests import SyncRequest, request_sync_skipping_locked
from django_visualsnoop.sync.drift import (
    NEEDS_REQUEST,
    pending_drift,
    rows_to_request,
    without_a_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.indexed.options import IndexedField

#: Rows or records per batch.
BATCH_SIZE = 1000


def audit(*, using: str, batch_size: int = BATCH_SIZE, dispatch: bool = True) -> int:
    """Compare every row with its record, and request a sync where they differ.

    This reads no file and calls no collection. It executes two queries per ``batch_size`` rows
    (three if the model has a condition) and two per ``batch_size`` records.

    Args:
        using: alias of the database that stores rows and records.
        batch_size: rows or records per batch.
        dispatch: false if the caller sweeps afterwards.

    Returns:
        How many requests were written.
    """
    return sum(audit_batches(using=using, batch_size=batch_size, dispatch=dispatch))


def audit_batches(
    *, using: str, batch_size: int = BATCH_SIZE, dispatch: bool = True
) -> Iterator[int]:
    """Like ``audit()``, but yield the number of requests written for each batch."""
    for field in all_indexed_fields():
        for found in _find_drift(field, using, batch_size):
            if found:
                yield len(request_sync_skipping_locked(found, using=using, dispatch=dispatch))


def _find_drift(field: IndexedField, using: str, batch_size: int) -> Iterator[list[SyncRequest]]:
    for rows in rows_to_request(field, batches(field, using=using, size=batch_size), using=using):
        yield [SyncRequest(field, row.object_id, wanted=row.wanted) for row in rows]
    for records in iter_batches(records_of(field, using), size=batch_size):
        finalized = [record for record in records if pending_drift(record) in NEEDS_REQUEST]
        gone = without_a_row(field, finalized, using=using)
        yield [SyncRequest(field, record.object_id, wanted=False) for record in gone]
