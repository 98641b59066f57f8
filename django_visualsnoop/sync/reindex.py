"""Reindex whole tables in batches, so that a run can stop and resume at any row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django_visualsnoop.indexed.rows import batches
from django_visualsnoop.outbox.requests import SyncRequest, request_sync_skipping_locked
from django_visualsnoop.outbox.retry import CollectionBusyError
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.drift import drift_of, with_records
from django_visualsnoop.sync.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime
    from uuid import UUID

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
        force: describe pictures again that have not changed.
        dry_run: count, but change nothing.
        done_since: a worker that is gone has begun these rows then. Those whose sync was
            requested since are not requested again.
    """

    using: str = "default"
    batch_size: int = 100
    missing: bool = False
    since: datetime | None = None
    force: bool = False
    dry_run: bool = False
    done_since: datetime | None = None


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


def reindex(
    field: IndexedField,
    plan: Plan,
    *,
    after: Any = None,
    until: Any = None,
    pause: Callable[[CollectionBusyError], object] | None = None,
) -> Iterator[Step]:
    """Sync the rows of a field with their collection; yield after each batch.

    A failed image does not stop the run. After an interruption, the records of the unfinished
    batch stay due, and resuming after the last step's key skips no row.

    Args:
        field: the field to reindex.
        plan: which rows to process, and how.
        after: start after this key.
        until: stop after this key.
        pause: called when the collection asks to wait; returns when to go on.

    Raises:
        CollectionBusyError: the collection asks to wait, and ``pause`` is ``None``.
    """
    found = batches(field, using=plan.using, size=plan.batch_size, after=after, until=until)
    for batch in with_records(field, found, using=plan.using):
        tally = ReindexCounts()
        pending: list[SyncRequest] = []
        requests = list(_requests(field, batch, plan, tally, pending))
        if not plan.dry_run:
            process_requests(requests, tally, plan, pending=pending, pause=pause)
        yield Step(batch[-1][0].key, tally)


def process_requests(
    requests: list[SyncRequest],
    tally: ReindexCounts,
    plan: Plan,
    *,
    pending: Collection[SyncRequest] = (),
    pause: Callable[[CollectionBusyError], object] | None = None,
) -> None:
    """Write sync requests and process them.

    Args:
        requests: the requests.
        tally: counts the processed records.
        plan: the database, and whether to describe unchanged pictures.
        pending: requests that are written already, to process as well.
        pause: see ``reindex``.
    """
    using = plan.using
    written = request_sync_skipping_locked(requests, using=using, dispatch=False, force=plan.force)
    written += [one.field.record_id(one.object_id) for one in pending]
    requests = [*requests, *pending]
    if not written:
        return
    outcome = _process_patiently(written, using, pause)
    reasons = outcome.failed | outcome.retrying
    for request in requests:
        reason = reasons.get(str(request.field.record_id(request.object_id)))
        if reason is not None:
            tally.failures.add(request.field.image_id(request.object_id, using), reason)
    failed = len(reasons)
    tally.counts.update(
        in_sync=outcome.in_sync, failed=failed, elsewhere=len(written) - outcome.in_sync - failed
    )


def _process_patiently(
    record_ids: Collection[UUID], using: str, pause: Callable[[CollectionBusyError], object] | None
) -> Outcome:
    outcome = Outcome()
    while True:
        tried = outcome.failed.keys() | outcome.retrying.keys()
        waiting = [one for one in record_ids if str(one) not in tried]
        try:
            return worker.process_records(
                waiting, using=using, outcome=outcome, stops_when_busy=True
            )
        except CollectionBusyError as error:
            if pause is None:
                raise
            pause(error)


def _requests(
    field: IndexedField,
    batch: Iterable[tuple[IndexedRow, SyncRecord | None]],
    plan: Plan,
    tally: ReindexCounts,
    pending: list[SyncRequest],
) -> Iterator[SyncRequest]:
    for row, record in batch:
        if not row.name and record is None:
            tally.counts["empty"] += 1
        elif _is_left(field, row, record, plan):
            tally.counts["left"] += 1
        else:
            tally.counts["wanted" if row.wanted else "unwanted"] += 1
            request = SyncRequest(field, row.object_id, wanted=row.wanted)
            if record is None or not plan.done_since or record.requested_at < plan.done_since:
                yield request
            elif record.state == record.State.IN_SYNC:
                tally.counts["in_sync"] += 1
            elif record.state == record.State.FAILED:
                tally.counts["failed"] += 1
                tally.failures.add(record.image_id, record.reason)
            else:
                pending.append(request)


def _is_left(field: IndexedField, row: IndexedRow, record: SyncRecord | None, plan: Plan) -> bool:
    if plan.missing and drift_of(field, row, record, plan.using) is None:
        return True
    if plan.since is None or record is None or record.synced_at is None:
        return False
    return record.synced_at >= plan.since
