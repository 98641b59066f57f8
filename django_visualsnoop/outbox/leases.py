"""Claims: the leases under which workers hold records, and what they may write down."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections
from django.db.models import Case, F, Q, When
from django.utils import timezone

from django_visualsnoop.common.transactions import atomic_write, retry_when_locked
from django_visualsnoop.outbox.locking import lock_skipping_locked
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.retry import backoff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

#: What a lease outlasts the collection's longest call by, in seconds.
LEASE_MARGIN = 30.0
#: How long giving back waits for a lock, in seconds: the process may be about to end.
GIVING_BACK = 5.0


def pending_records(using: str) -> QuerySet[SyncRecord]:
    """Return the records that do not agree and are not parked."""
    return SyncRecord.objects.using(using).filter(SyncRecord.in_progress())


def unleased() -> Q:
    """Return the condition that no worker holds a record just now."""
    return Q(leased_until=None) | Q(leased_until__lt=timezone.now())


class Lease:
    """One worker's hold on some records.

    Args:
        record_ids: what it may claim.
        using: alias of the database of the records.
    """

    def __init__(self, record_ids: list[str], *, using: str) -> None:
        self.record_ids = record_ids
        self.using = using
        self.token = secrets.randbits(63)

    @property
    def records(self) -> QuerySet[SyncRecord]:
        """What it holds still."""
        return SyncRecord.objects.using(self.using).filter(pk__in=self.record_ids, lease=self.token)

    def acquire(self, longest_call: float) -> list[SyncRecord]:
        """Claim what is unsettled and nobody else's; return it.

        Args:
            longest_call: how long the collection may take, in seconds.
        """
        return retry_when_locked(lambda: self._acquire(longest_call), using=self.using)

    def _acquire(self, longest_call: float) -> list[SyncRecord]:
        until = timezone.now() + timedelta(seconds=longest_call + LEASE_MARGIN)
        wanted = pending_records(self.using).filter(unleased(), pk__in=self.record_ids)
        with atomic_write(SyncRecord, using=self.using):
            wanted.filter(pk__in=lock_skipping_locked(wanted)).update(
                # First, since MySQL would see the new lease in what comes after it.
                abandoned=Case(When(lease=None, then=0), default=F("abandoned") + 1),
                lease=self.token,
                leased_until=until,
                due_at=until,  # for the sweeper, should this process die
                attempts=F("attempts") + 1,
            )
        taken = list(self.records)
        for record in taken:
            if record.abandoned:  # then it may die again
                later = until + timedelta(seconds=backoff(record.abandoned))
                self._held(record).update(due_at=later)
        return taken

    def leased_by_others(self) -> Iterator[tuple[float, str]]:
        """Yield the records that others hold: seconds to wait for each, and its id."""
        others = (
            pending_records(self.using).filter(pk__in=self.record_ids).exclude(lease=self.token)
        )
        now = timezone.now()
        for record in others.only("leased_until", "due_at"):
            # Without a lease, it is being wished for just now, and that wish has its own hint.
            until = record.leased_until or now + timedelta(seconds=LEASE_MARGIN)
            wait = max(until, record.due_at or now) - now
            yield max(1.0, round(wait.total_seconds())), str(record.pk)

    def finalize(self, record: SyncRecord, **changes: Any) -> bool:
        """Write down how it went and let go, unless somebody has wished again meanwhile."""
        return bool(
            self._same_request(record).update(lease=None, leased_until=None, abandoned=0, **changes)
        )

    def delete(self, record: SyncRecord) -> bool:
        """Delete the record, unless somebody has wished again meanwhile."""
        return bool(self._same_request(record).delete()[0])

    def release(self, record: SyncRecord) -> bool:
        """Let go of one record; false if the claim on it ran out and another worker came."""
        return bool(self._held(record).update(lease=None, leased_until=None))

    def give_back(self, *, untouched: bool = False) -> None:
        """Let others have, now, what it holds still; never raises a ``DatabaseError``.

        Without a database, the leases run out by themselves.

        Args:
            untouched: nothing was tried yet with what it holds, so that it does not count as
                an attempt.
        """
        connection = connections[self.using]
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()  # it may be the reason for giving back
        changes: dict[str, Any] = {"lease": None, "leased_until": None, "due_at": timezone.now()}
        if untouched:
            changes["attempts"] = Case(When(attempts__gt=0, then=F("attempts") - 1), default=0)
        with suppress(DatabaseError):
            retry_when_locked(
                lambda: self.records.update(**changes), using=self.using, patience=GIVING_BACK
            )

    def _held(self, record: SyncRecord) -> QuerySet[SyncRecord]:
        return SyncRecord.objects.using(self.using).filter(pk=record.pk, lease=self.token)

    def _same_request(self, record: SyncRecord) -> QuerySet[SyncRecord]:
        return self._held(record).filter(generation=record.generation)
