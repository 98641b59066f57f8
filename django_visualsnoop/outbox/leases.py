"""Leases: a worker's exclusive, temporary right to process records and to write their outcome."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections
from django.db.models import Case, F, Q, When
from django.utils import timezone

from django_visualsnoop.common.transactions import atomic_write, retry_when_locked
from django_visualsnoop.common.updates import update_each
from django_visualsnoop.outbox.locking import lock_skipping_locked
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.retry import backoff

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

#: By how many seconds a lease outlasts the collection's longest call.
LEASE_MARGIN = 30.0
#: How long ``give_back()`` waits for a lock, in seconds: the process may be about to exit.
GIVING_BACK = 5.0


def pending_records(using: str) -> QuerySet[SyncRecord]:
    """Return the records that are neither in sync nor failed."""
    return SyncRecord.objects.using(using).filter(SyncRecord.in_progress())


def unleased() -> Q:
    """Return the condition that no worker holds a valid lease on a record."""
    return Q(leased_until=None) | Q(leased_until__lt=timezone.now())


class Lease:
    """One worker's lease on a set of records.

    Args:
        record_ids: ids of the records to lease.
        using: alias of the database that stores the records.
    """

    def __init__(self, record_ids: list[str], *, using: str) -> None:
        self.record_ids = record_ids
        self.using = using
        self.token = secrets.randbits(63)
        self._seconds = LEASE_MARGIN

    @property
    def records(self) -> QuerySet[SyncRecord]:
        """The records that this lease still holds."""
        return SyncRecord.objects.using(self.using).filter(pk__in=self.record_ids, lease=self.token)

    def acquire(self, longest_call: float) -> list[SyncRecord]:
        """Lease the pending records that no other worker holds; return them.

        Args:
            longest_call: how long a call to the collection may take, in seconds.
        """
        self._seconds = longest_call + LEASE_MARGIN
        return retry_when_locked(self._acquire, using=self.using)

    def _acquire(self) -> list[SyncRecord]:
        until = timezone.now() + timedelta(seconds=self._seconds)
        wanted = pending_records(self.using).filter(unleased(), pk__in=self.record_ids)
        with atomic_write(SyncRecord, using=self.using):
            wanted.filter(pk__in=lock_skipping_locked(wanted)).update(
                # First, because MySQL evaluates assignments in order and would see the new lease.
                abandoned=Case(When(lease=None, then=0), default=F("abandoned") + 1),
                lease=self.token,
                leased_until=until,
                due_at=until,  # for the sweeper, if this process dies
                attempts=F("attempts") + 1,
            )
        taken = list(self.records)
        for record in taken:
            if record.abandoned:  # this worker may die as well
                later = until + timedelta(seconds=backoff(record.abandoned))
                self._held(record).update(due_at=later)
        return taken

    def renew(self) -> None:
        """Let the lease last as long as a new one, for the records that it still holds."""
        until = timezone.now() + timedelta(seconds=self._seconds)
        retry_when_locked(
            lambda: self.records.update(leased_until=until, due_at=until), using=self.using
        )

    def leased_by_others(self) -> Iterator[tuple[float, str]]:
        """Yield seconds to wait and record id, for each record that another worker holds."""
        others = (
            pending_records(self.using).filter(pk__in=self.record_ids).exclude(lease=self.token)
        )
        now = timezone.now()
        for record in others.only("leased_until", "due_at"):
            # Without a lease, a new sync request is being written, which is dispatched by itself.
            until = record.leased_until or now + timedelta(seconds=LEASE_MARGIN)
            wait = max(until, record.due_at or now) - now
            yield max(1.0, round(wait.total_seconds())), str(record.pk)

    def finalize(self, record: SyncRecord, **changes: Any) -> bool:
        """Write the outcome and release the record; false if its sync was requested again."""
        return bool(
            self._same_request(record).update(lease=None, leased_until=None, abandoned=0, **changes)
        )

    def finalize_all(
        self, outcomes: Sequence[tuple[SyncRecord, Mapping[str, Any]]], **changes: Any
    ) -> set[UUID]:
        """Write the outcome of several records that are in sync, and release them.

        Call this in a transaction that has locked them.

        Args:
            outcomes: each record with the fields to change; the same fields for all.
            changes: the fields that change to the same value in all records.

        Returns:
            The ids of the records whose sync was not requested again.
        """
        # A generation is a random number, so none is that of another record.
        generations = [record.generation for record, _ in outcomes]
        ids = [record.pk for record, _ in outcomes]
        same = self.records.filter(pk__in=ids, generation__in=generations)
        found = set(same.values_list("pk", flat=True))
        changes |= {"lease": None, "leased_until": None, "abandoned": 0}
        _, own = outcomes[0]
        changed = update_each(
            SyncRecord,
            [*changes, *own, "applied"],
            ["id", "lease", "generation"],
            [
                (
                    *changes.values(),
                    *own.values(),
                    *(record.generation, record.pk, self.token, record.generation),
                )
                for record, own in outcomes
                if record.pk in found
            ],
            using=self.using,
        )
        if changed < len(found):  # requested between both statements: the database locks no rows
            rest = SyncRecord.objects.using(self.using).filter(pk__in=found, lease=self.token)
            found.difference_update(rest.values_list("pk", flat=True))
        return found

    def delete(self, record: SyncRecord) -> bool:
        """Delete the record; false if its sync was requested again."""
        return bool(self._same_request(record).delete()[0])

    def release(self, record: SyncRecord) -> bool:
        """Release one record; false if the lease expired and another worker has taken over."""
        return bool(self._held(record).update(lease=None, leased_until=None))

    def give_back(self, *, unattempted: bool = False, delay: float = 0.0) -> None:
        """Release the records that it still holds; raise no ``DatabaseError``.

        If the database does not answer, the leases expire.

        Args:
            unattempted: nothing was attempted with these records yet, so do not count an attempt.
            delay: in how many seconds they are due.
        """
        connection = connections[self.using]
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()  # a broken connection may be the cause
        due_at = timezone.now() + timedelta(seconds=delay)
        changes: dict[str, Any] = {"lease": None, "leased_until": None, "due_at": due_at}
        if unattempted:
            changes["attempts"] = Case(When(attempts__gt=0, then=F("attempts") - 1), default=0)
        with suppress(DatabaseError):
            retry_when_locked(
                lambda: self.records.update(**changes), using=self.using, patience=GIVING_BACK
            )

    def _held(self, record: SyncRecord) -> QuerySet[SyncRecord]:
        return SyncRecord.objects.using(self.using).filter(pk=record.pk, lease=self.token)

    def _same_request(self, record: SyncRecord) -> QuerySet[SyncRecord]:
        return self._held(record).filter(generation=record.generation)
