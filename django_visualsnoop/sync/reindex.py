"""Bringing whole tables home, batch by batch, so that it can stop and go on at any row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django_visualsnoop.indexed.rows import batches
from django_visualsnoop.outbox.requests import SyncRequest, request_sync_skipping_locked
from django_visualsnoop.sync import worker as sync
from django_visualsnoop.sync.drift import drift_of, with_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.indexed.rows import Row
    from django_visualsnoop.outbox.record import SyncRecord

#: Failures that a run keeps to show, however many there are.
MAX_SHOWN = 20


@dataclass(frozen=True)
class Plan:
    """How to go through the rows.

    Args:
        using: alias of the database that holds rows and records.
        batch_size: rows per batch.
        missing: only rows that disagree with their record.
        since: only rows that were not synced since then.
        dispatch_only: leave the work to the workers: write the requests and dispatch them.
        dry_run: count, and change nothing.
    """

    using: str = "default"
    batch_size: int = 100
    missing: bool = False
    since: datetime | None = None
    dispatch_only: bool = False
    dry_run: bool = False


@dataclass
class Failures:
    """How many images failed, and the first few of them."""

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
class Tally:
    """What became of the rows of one batch, or of all."""

    #: "wanted", "unwanted", "empty" and "left": what the rows said; "agreed", "failed" and
    #: "elsewhere": what became of those worked on.
    counts: Counter[str] = field(default_factory=Counter)
    failures: Failures = field(default_factory=Failures)

    @property
    def rows(self) -> int:
        return sum(self.counts[name] for name in ("wanted", "unwanted", "empty", "left"))

    def update(self, other: Tally) -> None:
        self.counts.update(other.counts)
        self.failures.update(other.failures)


@dataclass(frozen=True)
class Step:
    """One batch that is done: what became of it, and the key to resume after."""

    last_key: Any
    tally: Tally


def reindex(field: IndexedField, plan: Plan, *, after: Any = None) -> Iterator[Step]:
    """Make the collection agree with the rows of a field; yield after each batch.

    One bad image never stops it. When it is interrupted, the records of the unfinished batch
    stay due, and going on after the last step's key misses nothing.

    Args:
        field: what to reindex.
        plan: which rows, and how.
        after: the key to start behind.
    """
    found = batches(field, using=plan.using, size=plan.batch_size, after=after)
    for batch in with_records(field, found, using=plan.using):
        tally = Tally()
        asked = list(_asked_for(field, batch, plan, tally))
        if not plan.dry_run:
            fulfil(asked, tally, using=plan.using, dispatch_only=plan.dispatch_only)
        yield Step(batch[-1][0].key, tally)


def fulfil(asked: list[SyncRequest], tally: Tally, *, using: str, dispatch_only: bool) -> None:
    """Write wishes, and make them true at once unless that is left to the workers.

    Args:
        asked: the wishes.
        tally: where to count what became of them.
        using: alias of the database.
        dispatch_only: leave it to the workers.
    """
    written = request_sync_skipping_locked(asked, using=using, dispatch=dispatch_only)
    if dispatch_only or not written:
        return
    outcome = sync.process_records(written, using=using)
    reasons = outcome.failed | outcome.retrying
    for wish in asked:
        reason = reasons.get(str(wish.field.record_id(wish.object_id)))
        if reason is not None:
            tally.failures.add(wish.field.image_id(wish.object_id, using), reason)
    failed = len(reasons)
    tally.counts.update(
        agreed=outcome.agreed, failed=failed, elsewhere=len(written) - outcome.agreed - failed
    )


def _asked_for(
    field: IndexedField,
    batch: Iterable[tuple[Row, SyncRecord | None]],
    plan: Plan,
    tally: Tally,
) -> Iterator[SyncRequest]:
    for row, record in batch:
        if not row.name and record is None:
            tally.counts["empty"] += 1
        elif _is_left(field, row, record, plan):
            tally.counts["left"] += 1
        else:
            tally.counts["wanted" if row.wanted else "unwanted"] += 1
            yield SyncRequest(field, row.object_id, wanted=row.wanted)


def _is_left(field: IndexedField, row: Row, record: SyncRecord | None, plan: Plan) -> bool:
    if plan.missing and drift_of(field, row, record, plan.using) is None:
        return True
    if plan.since is None or record is None or record.synced_at is None:
        return False
    return record.synced_at >= plan.since
