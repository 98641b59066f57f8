"""Reindex whole tables in batches, so that a run can stop and resume at any row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django_visualsnoop.indexed.rows import batches
from django_visualsnoop.outbox.requests import SyncRequest, request_sync_skipping_locked
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.drift import drift_of, with_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.indexed.rows import IndexedRow
    from django_visualsnoop.outbox.record import SyncRecord

#: Failures that a run lists; it counts the others.
MAX_SHOWN = 20


@dataclass(frozen=True)
class Plan:
    """Which rows to process, and how.

    Args:
        using: alias of the database that stores rows and records.
        batch_size: rows per batch.
        missing: only rows that differ from their record.
        since: only rows that were not synced since then.
        dispatch_only: write and dispatch requests, and let the workers process them.
        dry_run: count, but change nothing.
    """

    using: str = "default"
    batch_size: int = 100
    missing: bool = False
    since: datetime | None = None
    dispatch_only: bool = False
    dry_run: bool = False


@dataclass
class Failures:
    """The number of failed images, and the first few of them."""

    count: int = 0
    #: Image id and reason.
    shown: list[tuple[str, str]] = field(default_factory=list)

    def add(self, image_id: str, reason: str) -> None:
        self.count += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append((image_id, reason))

    def update(self, other: Failures) -> None:
        self.count += other.count
        self.shown += other.shown[: MAX_SHOWN - len(self.shown)]


@dataclass
class ReindexCounts:
    """Counts of the rows of one batch, or of all."""

    #: "wanted", "unwanted", "empty" and "left" count rows; "in_sync", "failed" and "elsewhere"
    #: count processed records.
    counts: Counter[str] = field(default_factory=Counter)
    failures: Failures = field(default_factory=Failures)

    @property
    def rows(self) -> int:
        return sum(self.counts[name] for name in ("wanted", "unwanted", "empty", "left"))

    def update(self, other: ReindexCounts) -> None:
        self.counts.update(other.counts)
        self.failures.update(other.failures)


@dataclass(frozen=True)
class Step:
    """One processed batch: its counts, and the key to resume after."""

    last_key: Any
    tally: ReindexCounts


def reindex(field: IndexedField, plan: Plan, *, after: Any = None) -> Iterator[Step]:
    """Sync the rows of a field with their collection; yield after each batch.

    A failed image does not stop the run. After an interruption, the records of the unfinished
    batch stay due, and resuming after the last step's key skips no row.

    Args:
        field: the field to reindex.
        plan: which rows to process, and how.
        after: start after this key.
    """
    found = batches(field, using=plan.using, size=plan.batch_size, after=after)
    for batch in with_records(field, found, using=plan.using):
        tally = ReindexCounts()
        requests = list(_requests(field, batch, plan, tally))
        if not plan.dry_run:
            process_requests(requests, tally, using=plan.using, dispatch_only=plan.dispatch_only)
        yield Step(batch[-1][0].key, tally)


def process_requests(
    requests: list[SyncRequest], tally: ReindexCounts, *, using: str, dispatch_only: bool
) -> None:
    """Write sync requests, and process them unless the workers should.

    Args:
        requests: the requests.
        tally: counts the processed records.
        using: alias of the database.
        dispatch_only: let the workers process the requests.
    """
    written = request_sync_skipping_locked(requests, using=using, dispatch=dispatch_only)
    if dispatch_only or not written:
        return
    outcome = worker.process_records(written, using=using)
    reasons = outcome.failed | outcome.retrying
    for request in requests:
        reason = reasons.get(str(request.field.record_id(request.object_id)))
        if reason is not None:
            tally.failures.add(request.field.image_id(request.object_id, using), reason)
    failed = len(reasons)
    tally.counts.update(
        in_sync=outcome.in_sync, failed=failed, elsewhere=len(written) - outcome.in_sync - failed
    )


def _requests(
    field: IndexedField,
    batch: Iterable[tuple[IndexedRow, SyncRecord | None]],
    plan: Plan,
    tally: ReindexCounts,
) -> Iterator[SyncRequest]:
    for row, record in batch:
        if not row.name and record is None:
            tally.counts["empty"] += 1
        elif _is_left(field, row, record, plan):
            tally.counts["left"] += 1
        else:
            tally.counts["wanted" if row.wanted else "unwanted"] += 1
            yield SyncRequest(field, row.object_id, wanted=row.wanted)


def _is_left(field: IndexedField, row: IndexedRow, record: SyncRecord | None, plan: Plan) -> bool:
    if plan.missing and drift_of(field, row, record, plan.using) is None:
        return True
    if plan.since is None or record is None or record.synced_at is None:
        return False
    return record.synced_at >= plan.since
