"""Wishes: sync records written beside the rows they follow, and the hints that follow them."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.db import connections, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from django_visualsnoop.common.transactions import atomic_write, write_when_free
from django_visualsnoop.outbox import dispatch as hints
from django_visualsnoop.outbox.locking import lock_free
from django_visualsnoop.outbox.pausing import is_paused
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Field, QuerySet

    from django_visualsnoop.indexed.options import IndexedField
#: Rows per upsert: below the parameter limit of every database (SQLite: 32,766).
BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """That the collection look again at one image, whatever the row will say then."""

    field: IndexedField
    object_id: str
    #: Whether the row wants its image indexed, as far as the caller knows.
    wanted: bool = True


_gathering: ContextVar[dict[str, list[Wish]] | None] = ContextVar(
    "visualsnoop_gathering", default=None
)


@contextmanager
def gathered(using: str) -> Iterator[None]:
    """Write the wishes made in this block together at its end, in the same transaction."""
    with atomic_write(SyncRecord, using=using):
        if _gathering.get() is not None:
            yield
            return
        gathering: dict[str, list[Wish]] = {}
        token = _gathering.set(gathering)
        try:
            yield
        finally:
            _gathering.reset(token)
        for alias, wishes in gathering.items():
            write(wishes, using=alias)


def write(wishes: Iterable[Wish], *, using: str, hint: bool = True) -> list[UUID]:
    """Record wishes in the database of their rows; on commit, hint to the workers.

    One statement for up to ``BATCH_SIZE`` wishes, and none when there are none.

    Args:
        wishes: what to look at again; two for the same image count once.
        using: alias of the database that holds the rows.
        hint: false for a caller that goes on to work on the records itself.

    Returns:
        The ids of the records written.
    """
    if is_paused():
        return []
    gathering = _gathering.get()
    if gathering is not None:
        gathering.setdefault(using, []).extend(wishes)
        return []
    records = {record.id: record for record in (_record(wish, using) for wish in wishes)}
    if not records:
        return []
    # Sorted, so that two transactions lock shared rows in the same order.
    _upsert([records[key] for key in sorted(records)], using)
    if hint:
        hint_on_commit(records, using)
    return list(records)


def write_among_others(wishes: Iterable[Wish], *, using: str, hint: bool = True) -> list[UUID]:
    """Like ``write``, for commands: leaves out records that someone else is changing just now.

    Those are being wished for, or settled, anyway; see ``locking``.
    """
    wishes = list(wishes)
    ids = {wish.field.record_id(wish.object_id) for wish in wishes}

    def write_free() -> list[UUID]:
        known = SyncRecord.objects.using(using).filter(pk__in=ids)
        busy = set(known.values_list("pk", flat=True)).difference(lock_free(known))
        free = (wish for wish in wishes if wish.field.record_id(wish.object_id) not in busy)
        return write(free, using=using, hint=hint)

    return write_when_free(write_free, SyncRecord, using=using)


def turn(wishes: Iterable[Wish], *, using: str) -> None:
    """Record wishes of rows whose image did not change, where their verdict did.

    One statement a wish, which changes no row as long as the verdict stands. A record that
    does not agree yet is always made to look again: a worker may have read the row before it
    turned, and ``wanted`` may be what was assumed when its image changed.
    """
    if is_paused():
        return
    for wish in wishes:
        record = _record(wish, using)
        known = SyncRecord.objects.using(using).filter(pk=record.pk)
        turned = known.filter(~_stands(wish) | SyncRecord.in_progress())
        changes: dict[str, Any] = {name: getattr(record, name) for name in _WISHED}
        for name in _OF_ANOTHER_VERDICT:
            column = cast("Field[Any, Any]", SyncRecord._meta.get_field(name))
            value = Value(changes[name], output_field=column)
            changes[name] = Case(When(_stands(wish), then=F(name)), default=value)
        if turned.update(**changes):
            hint_on_commit([record.pk], using)


def _stands(wish: Wish) -> Q:
    return Q(wanted=wish.wanted)


def wish_again(record: SyncRecord, *, using: str) -> None:
    """Wish for what this record asks for, due now, even if the record itself is gone."""
    record.generation = secrets.randbits(63)
    record.wished_at = record.due_at = timezone.now()
    record.attempts, record.abandoned, record.reason_code, record.reason = 0, 0, "", ""
    record.lease = record.leased_until = (
        None  # of a record made anew; one that is there keeps its own
    )
    _upsert([record], using)
    hint_on_commit([record.pk], using)


def renew(records: QuerySet[SyncRecord]) -> int:
    """Wish again what these records ask for, due now; return how many there were.

    ``wished_at`` stays: what was asked for then has not come true yet.
    """
    return records.update(
        generation=secrets.randbits(63), due_at=timezone.now(), attempts=0, abandoned=0
    )


def retry(records: QuerySet[SyncRecord], *, hint: bool = True) -> int:
    """Let the workers look again, now, at those of these records that failed.

    Args:
        records: sync records in any state, of one database; those that agree, or wait for
            their first attempt, are left alone.
        hint: false for a caller that goes on to sweep.

    Returns:
        How many will be tried again.
    """
    state = SyncRecord.State
    failed = SyncRecord.in_state(state.PARKED) | SyncRecord.in_state(state.RETRYING)

    def renew_failed() -> int:
        ids = renew_free(records, failed)
        if hint:
            hint_on_commit(ids, records.db)
        return len(ids)

    return write_when_free(renew_failed, SyncRecord, using=records.db)


def renew_free(records: QuerySet[SyncRecord], condition: Q) -> list[UUID]:
    """Wish again, as ``renew`` does, without waiting for anyone; return the records' ids.

    Args:
        records: sync records of one database; those that someone is changing are left out.
        condition: what must be true of a record, now and when it is written.
    """

    def renew_them() -> list[UUID]:
        ids = lock_free(records.filter(condition))
        for start in range(0, len(ids), BATCH_SIZE):
            # The condition again: a new wish may have come meanwhile.
            chunk = ids[start : start + BATCH_SIZE]
            renew(SyncRecord.objects.using(records.db).filter(condition, pk__in=chunk))
        return ids

    return write_when_free(renew_them, SyncRecord, using=records.db)


def hint_on_commit(record_ids: Iterable[UUID], using: str) -> None:
    """Once this transaction commits, tell the workers which records to look at."""
    connection = connections[using]
    pending = _pending_hints(connection)
    pending.record_ids.update(record_ids)
    transaction.on_commit(pending.publish, using=using, robust=True)


#: What only the wish of another verdict changes; one that stands waits as long as before.
_OF_ANOTHER_VERDICT = ("wished_at", "due_at", "attempts", "abandoned", "reason_code", "reason")
#: What a wish changes in a record that is there already. The lease stays: a worker that is
#: still uploading the older picture must not be overtaken by one with the newer. ``wanted`` is
#: last, since MySQL would see the new one in what comes after it.
_WISHED = ("image_id", "generation", *_OF_ANOTHER_VERDICT, "wanted")


def _record(wish: Wish, using: str) -> SyncRecord:
    now = timezone.now()
    return SyncRecord(
        id=wish.field.record_id(wish.object_id),
        collection=wish.field.collection,
        model=wish.field.label,
        field=wish.field.name,
        object_id=wish.object_id,
        image_id=wish.field.image_id(wish.object_id, using),
        generation=secrets.randbits(63),
        wanted=wish.wanted,
        wished_at=now,
        due_at=now,
    )


def _upsert(records: list[SyncRecord], using: str) -> None:
    takes_target = connections[using].features.supports_update_conflicts_with_target
    SyncRecord.objects.using(using).bulk_create(
        records,
        batch_size=BATCH_SIZE,
        update_conflicts=True,
        update_fields=_WISHED,
        unique_fields=["id"] if takes_target else None,
    )


class _PendingHints:
    """The records that one transaction wished for.

    It is found by its on_commit callbacks, which a rollback drops. The first of them publishes
    all; a savepoint that was rolled back leaves hints that find nothing to do.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self.record_ids: set[UUID] = set()

    def publish(self) -> None:
        record_ids, self.record_ids = self.record_ids, set()
        if record_ids:
            hints.publish(self.using, sorted(str(record_id) for record_id in record_ids))


def _pending_hints(connection: BaseDatabaseWrapper) -> _PendingHints:
    # The latest is found first, however many callbacks other apps have left.
    for registered in reversed(connection.run_on_commit):
        owner = getattr(registered[1], "__self__", None)
        if isinstance(owner, _PendingHints):
            return owner
    return _PendingHints(connection.alias)
