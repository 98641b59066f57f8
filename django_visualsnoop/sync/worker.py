"""Process records: bring their collections in sync with their rows.

Processing is level-triggered: a worker leases a record, reads the row *as it is now*, updates the
collection, and finalizes the record only if nobody has requested its sync again meanwhile. So
messages may be lost, duplicated, late or out of order. ``batch`` processes the records of one
collection, and ``finalize`` writes the outcome.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.utils import timezone

from django_visualsnoop.collections import collections
from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.merging.expire import expire_resolutions_quietly
from django_visualsnoop.outbox.leases import pending_records, unleased
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.requests import requeue_skipping_locked
from django_visualsnoop.outbox.retry import FIRST_DELAY, LONGEST_DELAY
from django_visualsnoop.outbox.sweeps import note_end, note_start
from django_visualsnoop.signals import swept, tell
from django_visualsnoop.sync.batch import Batch
from django_visualsnoop.sync.maintenance import maintain_collections
from django_visualsnoop.sync.outcome import Outcome
from django_visualsnoop.sync.outdated import requeue_outdated
from django_visualsnoop.sync.rewritten import is_rewritten

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

#: How often one call processes a record whose row keeps changing meanwhile.
MAX_ROUNDS = 5
#: A worker leases so many bulks of images together, or so many images if a bulk is one image.
BULKS, FEWEST = 4, 16
#: How long a record must be due before any worker processes it, in seconds; a sweeper that runs
#: every minute is faster.
OVERDUE_AFTER = 90.0
#: How many overdue records a worker processes, and from how many it chooses them.
OVERDUE_TAKEN, OVERDUE_CHOICE = 20, 200
#: The same for records that were requested by thousands.
DUE_TAKEN, DUE_CHOICE = 50, 1000
#: A record that is due later than this was written by a process whose clock is fast.
FROM_THE_FUTURE = timedelta(seconds=2 * LONGEST_DELAY)


def process_records(
    record_ids: Iterable[str | UUID],
    *,
    using: str,
    outcome: Outcome | None = None,
    waits_for_files: bool = True,
    stops_when_busy: bool = False,
) -> Outcome:
    """Bring the collections in sync with the rows of these records.

    Errors of a record, its file or its collection are written to the record, not raised. Records
    that are in sync already, or that another worker holds, are skipped.

    Args:
        record_ids: any number of ids of sync records.
        using: alias of the database that stores records and rows.
        outcome: collects the outcome; a new object if not given. After an interruption, it tells
            the caller what was done until then.
        waits_for_files: whether a missing or broken file may still arrive, if the request is
            recent.
        stops_when_busy: stop if a collection asks to wait, and do not count that as a failure.

    Raises:
        CollectionBusyError: a collection asks to wait. Processed records are finalized, and the
            others are due by then.
        DatabaseError: the database did not answer, or was locked for too long.
        Exception: an interruption from outside, such as a time limit. Processed records are
            finalized, and the others are released.
    """
    outcome = Outcome() if outcome is None else outcome
    waiting = {str(record_id) for record_id in record_ids}
    for _ in range(MAX_ROUNDS):
        by_collection: dict[str, list[str]] = defaultdict(list)
        alone: list[tuple[int, str, str]] = []
        for record in _pending_among(waiting, using):
            alias, key = record.collection, str(record.pk)
            if record.leased_until is None or record.leased_until >= timezone.now():
                by_collection[alias].append(key)
            else:
                # Its last worker died, perhaps because of it. Process it last, and alone.
                alone.append((record.attempts, alias, key))
        waiting = set()
        together = [
            (alias, chunk)
            for alias, ids in by_collection.items()
            for chunk in batched(ids, _batch_size(alias))
        ]
        together += [(alias, [key]) for _, alias, key in sorted(alone)]
        for alias, chunk in together:
            batch = Batch(alias, chunk, using, outcome, waits_for_files, stops_when_busy)
            waiting |= batch.run()
        if not waiting:
            return outcome
    outcome.later[FIRST_DELAY] += sorted(waiting)
    return outcome


def _pending_among(record_ids: Iterable[str], using: str) -> list[SyncRecord]:
    wanted = pending_records(using).filter(pk__in=record_ids)
    fields = wanted.only("collection", "leased_until", "attempts")
    return retry_when_locked(lambda: list(fields), using=using)


def sweep(
    *, using: str, limit: int | None = None, batch_size: int = 500, outcome: Outcome | None = None
) -> Outcome:
    """Process every record that is due, the longest due first; at most ``limit`` of them.

    When none is left, add images again that an older version described, up to the limit. At the
    end, forget the merges that can no longer be undone.

    Args:
        using: alias of the database that stores records and rows.
        limit: how many records to process; all if not given.
        batch_size: how many records to process at a time.
        outcome: as for ``process_records()``, which also documents the exceptions.
    """
    outcome = Outcome() if outcome is None else outcome
    started = due_before = timezone.now()
    note_start(using)
    while limit is None or outcome.worked_on < limit:
        size = batch_size if limit is None else min(batch_size, limit - outcome.worked_on)
        before = outcome.worked_on
        ids = _due(using, Q(due_at__lte=due_before), size)
        # No other record waits that long, so these come last, and cost a query at the end alone.
        ids = ids or _due(using, Q(due_at__gt=started + FROM_THE_FUTURE), size)
        process_records(ids, using=using, outcome=outcome)
        if outcome.worked_on == before:  # none left, or other workers hold them
            if not requeue_outdated(using=using, limit=size, before=started):
                break
            due_before = timezone.now()
    maintain_collections()
    note_end(using, outcome.worked_on)
    expire_resolutions_quietly(using)
    tell(
        swept,
        sender=None,
        using=using,
        in_sync=outcome.in_sync,
        retrying=len(outcome.retrying),
        failed=len(outcome.failed),
        seconds=(timezone.now() - started).total_seconds(),
    )
    return outcome


def process_overdue(*, using: str) -> Outcome:
    """Process a few overdue records; every worker does so after its own records.

    A project without a sweeper thus recovers from lost messages. Each worker chooses at random
    from more records than it processes, so that concurrent workers seldom choose the same ones.
    """
    before = timezone.now() - timedelta(seconds=OVERDUE_AFTER)
    found = _due(using, Q(due_at__lte=before), OVERDUE_CHOICE)
    if not found:
        return Outcome()
    return process_records(random.sample(found, min(OVERDUE_TAKEN, len(found))), using=using)


def process_due(*, using: str, seconds: float, outcome: Outcome) -> bool:
    """Process records that are due, for a limited time; return whether more are due.

    Concurrent workers choose different ones, as in ``process_overdue``.

    Args:
        using: alias of the database that stores the records.
        seconds: stop after the records that end after this time.
        outcome: as for ``process_records``.
    """
    deadline = time.monotonic() + seconds
    while found := _due(using, Q(due_at__lte=timezone.now()), DUE_CHOICE):
        before = outcome.worked_on
        some = random.sample(found, min(DUE_TAKEN, len(found)))
        process_records(some, using=using, outcome=outcome)
        if outcome.worked_on == before:  # other workers hold them
            return False
        if time.monotonic() >= deadline:
            return True
    return False


def still_due(record_ids: Iterable[str], *, using: str) -> list[str]:
    """Return the records that are due and not leased, such as after an interruption."""
    due = pending_records(using).filter(unleased(), pk__in=record_ids, due_at__lte=timezone.now())
    ids = due.values_list("pk", flat=True)
    return sorted(map(str, retry_when_locked(lambda: list(ids), using=using)))


def process_rewritten(record_ids: Iterable[str], *, using: str) -> Outcome:
    """Process the records whose file has changed since it was indexed.

    Args:
        record_ids: ids of records; those that are not in sync are skipped.
        using: alias of the database that stores records and rows.
    """
    records = SyncRecord.objects.using(using).filter(pk__in=record_ids)
    in_sync = SyncRecord.in_state(SyncRecord.State.IN_SYNC)
    known = retry_when_locked(lambda: list(records.filter(in_sync)), using=using)
    changed = [record.pk for record in known if is_rewritten(record)]
    renewed = requeue_skipping_locked(records.filter(pk__in=changed), in_sync) if changed else []
    return process_records(renewed, using=using)


def _due(using: str, when: Q, count: int) -> list[UUID]:
    """Return the ids of unleased records that are due then, the longest due first."""
    due = pending_records(using).filter(unleased(), when).order_by("due_at", "pk")
    return retry_when_locked(partial(list, due.values_list("pk", flat=True)[:count]), using=using)


def _batch_size(alias: str) -> int:
    """Return how many records to lease together: some bulks, so that reading ahead pays."""
    try:
        return max(BULKS * collections[alias].bulk_size, FEWEST)
    except (ImproperlyConfigured, ImportError):
        return 100  # the batch writes the error to each record
