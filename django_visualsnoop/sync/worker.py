"""Bringing records home: one record → its collection.

Level-triggered: a worker claims a record, reads the row *as it is now*, makes the collection
agree, and says so only if nobody has wished again meanwhile. So it does not matter how often,
how late or in which order it is called. ``batch`` has how that is done, ``finalize`` how it is
written down.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.utils import timezone

from django_visualsnoop.collections import collections
from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.outbox.leases import pending_records, unleased
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.requests import requeue_skipping_locked
from django_visualsnoop.outbox.retry import FIRST_DELAY, LONGEST_DELAY
from django_visualsnoop.outbox.sweeps import note_end, note_start
from django_visualsnoop.signals import swept, tell
from django_visualsnoop.sync.batch import Batch
from django_visualsnoop.sync.outcome import Outcome
from django_visualsnoop.sync.outdated import requeue_outdated
from django_visualsnoop.sync.rewritten import is_rewritten

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

#: How often one call looks again at a record whose row keeps changing while it works.
MAX_ROUNDS = 5
#: How long a record must be due before any worker takes it along, in seconds; a sweeper that
#: runs every minute comes first.
OVERDUE_AFTER = 90.0
#: How many of those a worker takes along, and among how many it chooses.
OVERDUE_TAKEN, OVERDUE_CHOICE = 20, 200
#: What is due later than this was written by a process whose clock is ahead.
FROM_THE_FUTURE = timedelta(seconds=2 * LONGEST_DELAY)


def process_records(
    record_ids: Iterable[str | UUID],
    *,
    using: str,
    outcome: Outcome | None = None,
    waits_for_files: bool = True,
) -> Outcome:
    """Make the collections agree with the rows of these records.

    What one record, its file or its collection may do wrong is written into the record and
    never raised. Records that agree already, or that another worker has claimed, are left alone.

    Args:
        record_ids: ids of sync records, in any number.
        using: alias of the database that holds records and rows.
        outcome: where to write what became of them; a new one if not given. A caller that may
            be interrupted finds in it what was done until then.
        waits_for_files: whether a file that is missing or broken may arrive later, if the
            request is young.

    Raises:
        DatabaseError: the database did not answer, or somebody held it for too long.
        Exception: what came from outside, such as a time limit. What was done is written down,
            and the rest is free for other workers.
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
                # Its last worker ended, perhaps because of it: this one comes to it last, and
                # takes no other record along.
                alone.append((record.attempts, alias, key))
        waiting = set()
        for alias, ids in by_collection.items():
            size = _bulk_size(alias)
            for start in range(0, len(ids), size):
                chunk = ids[start : start + size]
                waiting |= Batch(alias, chunk, using, outcome, waits_for_files).run()
        for _, alias, key in sorted(alone):
            waiting |= Batch(alias, [key], using, outcome, waits_for_files).run()
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
    """Bring home every record that is due, the longest due first; at most ``limit`` of them.

    Once none is left, images that an older version described are added again, up to the limit.

    Args:
        using: alias of the database that holds records and rows.
        limit: how many records to work on; all if not given.
        batch_size: how many to take at a time.
        outcome: as for ``process_records``, which also says what is raised.
    """
    outcome = Outcome() if outcome is None else outcome
    started = due_before = timezone.now()
    note_start(using)
    while limit is None or outcome.worked_on < limit:
        size = batch_size if limit is None else min(batch_size, limit - outcome.worked_on)
        before = outcome.worked_on
        process_records(_due(using, due_before, size), using=using, outcome=outcome)
        if outcome.worked_on == before:  # none left, or other workers have them
            if not requeue_outdated(using=using, limit=size, before=started):
                break
            due_before = timezone.now()
    note_end(using, outcome.worked_on)
    tell(
        swept,
        sender=None,
        using=using,
        agreed=outcome.agreed,
        retrying=len(outcome.retrying),
        failed=len(outcome.failed),
        seconds=(timezone.now() - started).total_seconds(),
    )
    return outcome


def process_overdue(*, using: str) -> Outcome:
    """Bring home a few records that nobody came for, as whoever works on others does besides.

    So a project whose sweeper nobody started gets over lost hints all the same. Workers that do
    so at once choose among more than each takes, so that they seldom want the same ones.
    """
    before = timezone.now() - timedelta(seconds=OVERDUE_AFTER)
    found = _due(using, before, OVERDUE_CHOICE)
    if not found:
        return Outcome()
    return process_records(random.sample(found, min(OVERDUE_TAKEN, len(found))), using=using)


def still_due(record_ids: Iterable[str], *, using: str) -> list[str]:
    """Return those of these records that are due and free, such as after an interruption."""
    due = pending_records(using).filter(unleased(), pk__in=record_ids, due_at__lte=timezone.now())
    ids = due.values_list("pk", flat=True)
    return sorted(map(str, retry_when_locked(lambda: list(ids), using=using)))


def process_rewritten(record_ids: Iterable[str], *, using: str) -> Outcome:
    """Bring those records home whose file does not hold any more what was indexed.

    Args:
        record_ids: ids of records; those that do not agree are left to others.
        using: alias of the database that holds records and rows.
    """
    records = SyncRecord.objects.using(using).filter(pk__in=record_ids)
    agrees = SyncRecord.in_state(SyncRecord.State.IN_SYNC)
    known = retry_when_locked(lambda: list(records.filter(agrees)), using=using)
    changed = [record.pk for record in known if is_rewritten(record)]
    renewed = requeue_skipping_locked(records.filter(pk__in=changed), agrees) if changed else []
    return process_records(renewed, using=using)


def _due(using: str, before: datetime, count: int) -> list[UUID]:
    """Return the ids of records that are due since then and free, the longest due first.

    After them come those that a process wrote whose clock is far ahead: nothing waits so long.
    """
    free = pending_records(using).filter(unleased()).order_by("due_at", "pk")
    found: list[UUID] = []
    for due in (Q(due_at__lte=before), Q(due_at__gt=timezone.now() + FROM_THE_FUTURE)):
        ids = free.filter(due).values_list("pk", flat=True)[: count - len(found)]
        found += retry_when_locked(partial(list, ids), using=using)
    return found


def _bulk_size(alias: str) -> int:
    try:
        return collections[alias].bulk_size
    except (ImproperlyConfigured, ImportError):
        return 100  # the batch will say of each what is wrong
