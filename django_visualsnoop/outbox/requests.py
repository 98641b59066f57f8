"""Sync requests: records written in the transaction of their rows, and dispatched on commit."""

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
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.locking import lock_skipping_locked
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
class SyncRequest:
    """A request to sync one image with its row, as the row is when a worker processes it."""

    field: IndexedField
    object_id: str
    #: Whether the row wants its image indexed, as far as the caller knows.
    wanted: bool = True


_gathering: ContextVar[dict[str, list[SyncRequest]] | None] = ContextVar(
    "visualsnoop_gathering", default=None
)


@contextmanager
def batch_requests(using: str) -> Iterator[None]:
    """Collect the requests made in this block and write them at its end, in one transaction."""
    with atomic_write(SyncRecord, using=using):
        if _gathering.get() is not None:
            yield
            return
        gathering: dict[str, list[SyncRequest]] = {}
        token = _gathering.set(gathering)
        try:
            yield
        finally:
            _gathering.reset(token)
        for alias, requests in gathering.items():
            request_sync(requests, using=alias)


def request_sync(
    requests: Iterable[SyncRequest], *, using: str, dispatch: bool = True, force: bool = False
) -> list[UUID]:
    """Write sync records in the database of their rows, and dispatch them on commit.

    This executes one statement per ``BATCH_SIZE`` requests, and none without requests.

    Args:
        requests: the requests; duplicates for one image count once.
        using: alias of the database that stores the rows.
        dispatch: false if the caller processes the records itself.
        force: describe pictures again that have not changed.

    Returns:
        The ids of the written records.
    """
    if is_paused():
        return []
    gathering = _gathering.get()
    if gathering is not None:
        gathering.setdefault(using, []).extend(requests)
        return []
    records = {record.id: record for record in (_record(one, using) for one in requests)}
    if not records:
        return []
    # Sorted, so that two transactions lock shared rows in the same order.
    _upsert([records[key] for key in sorted(records)], using, force)
    if dispatch:
        dispatch_on_commit(records, using)
    return list(records)


def request_sync_skipping_locked(
    requests: Iterable[SyncRequest], *, using: str, dispatch: bool = True, force: bool = False
) -> list[UUID]:
    """Like ``request_sync``, for commands: skip records that another transaction has locked.

    That transaction is requesting or finalizing them; see ``locking``.
    """
    requests = list(requests)
    ids = {one.field.record_id(one.object_id) for one in requests}

    def write_free() -> list[UUID]:
        known = SyncRecord.objects.using(using).filter(pk__in=ids)
        busy = set(known.values_list("pk", flat=True)).difference(lock_skipping_locked(known))
        free = (one for one in requests if one.field.record_id(one.object_id) not in busy)
        return request_sync(free, using=using, dispatch=dispatch, force=force)

    return write_when_free(write_free, SyncRecord, using=using)


def request_if_condition_changed(requests: Iterable[SyncRequest], *, using: str) -> None:
    """Request a sync where the result of a row's condition changed, but not its image.

    This executes one statement per request, which changes no record if the result is the same.
    It always requests a record that is not in sync yet: a worker may have read the row before its
    condition changed, and ``wanted`` may be only an assumption from the change of its image.
    """
    if is_paused():
        return
    for request in requests:
        record = _record(request, using)
        known = SyncRecord.objects.using(using).filter(pk=record.pk)
        changed = known.filter(~_is_unchanged(request) | SyncRecord.in_progress())
        changes: dict[str, Any] = {name: getattr(record, name) for name in _REQUESTED}
        for name in _OF_ANOTHER_CONDITION:
            column = cast("Field[Any, Any]", SyncRecord._meta.get_field(name))
            value = Value(changes[name], output_field=column)
            changes[name] = Case(When(_is_unchanged(request), then=F(name)), default=value)
        if changed.update(**changes):
            dispatch_on_commit([record.pk], using)


def _is_unchanged(request: SyncRequest) -> Q:
    return Q(wanted=request.wanted)


def request_again(record: SyncRecord, *, using: str) -> None:
    """Request this record's sync again, due now, even if the record was deleted."""
    record.generation = secrets.randbits(63)
    record.requested_at = record.due_at = timezone.now()
    record.attempts, record.abandoned, record.reason_code, record.reason = 0, 0, "", ""
    # For a deleted record; the upsert does not change the lease of an existing one.
    record.lease = record.leased_until = None
    _upsert([record], using)
    dispatch_on_commit([record.pk], using)


def requeue(records: QuerySet[SyncRecord]) -> int:
    """Request the sync of these records again, due now; return how many there were.

    ``requested_at`` stays, because the original request has not been processed yet.
    """
    return records.update(
        generation=secrets.randbits(63), due_at=timezone.now(), attempts=0, abandoned=0
    )


def retry_failed(records: QuerySet[SyncRecord], *, dispatch: bool = True) -> int:
    """Retry the failed ones of these records now.

    Args:
        records: sync records of one database, in any state. Records that are in sync or wait for
            their first attempt do not change.
        dispatch: false if the caller sweeps afterwards.

    Returns:
        How many records will be retried.
    """
    state = SyncRecord.State
    failed = SyncRecord.in_state(state.FAILED) | SyncRecord.in_state(state.RETRYING)

    def requeue_failed() -> int:
        ids = requeue_skipping_locked(records, failed)
        if dispatch:
            dispatch_on_commit(ids, records.db)
        return len(ids)

    return write_when_free(requeue_failed, SyncRecord, using=records.db)


def requeue_skipping_locked(records: QuerySet[SyncRecord], condition: Q) -> list[UUID]:
    """Requeue records without waiting for locks; return their ids.

    Args:
        records: sync records of one database. Records that another transaction has locked are
            skipped.
        condition: must hold for a record both when it is selected and when it is updated.
    """

    def requeue_free() -> list[UUID]:
        ids = lock_skipping_locked(records.filter(condition))
        for start in range(0, len(ids), BATCH_SIZE):
            # Check the condition again, because a new request may have been written meanwhile.
            chunk = ids[start : start + BATCH_SIZE]
            requeue(SyncRecord.objects.using(records.db).filter(condition, pk__in=chunk))
        return ids

    return write_when_free(requeue_free, SyncRecord, using=records.db)


def dispatch_on_commit(record_ids: Iterable[UUID], using: str) -> None:
    """Dispatch these records when this transaction commits."""
    connection = connections[using]
    pending = _find_pending_dispatch(connection)
    pending.record_ids.update(record_ids)
    transaction.on_commit(pending.dispatch, using=using, robust=True)


#: Fields that change only if the condition has another result. Otherwise a request keeps its place
#: in the queue.
_OF_ANOTHER_CONDITION = ("requested_at", "due_at", "attempts", "abandoned", "reason_code", "reason")
#: Fields that a request changes in an existing record. The lease stays, so that no worker uploads
#: the new picture while another is still uploading the old one. ``wanted`` comes last, because
#: MySQL evaluates assignments in order.
_REQUESTED = ("image_id", "generation", *_OF_ANOTHER_CONDITION, "wanted")


def _record(request: SyncRequest, using: str) -> SyncRecord:
    now = timezone.now()
    return SyncRecord(
        id=request.field.record_id(request.object_id),
        collection=request.field.collection,
        model=request.field.label,
        field=request.field.name,
        object_id=request.object_id,
        image_id=request.field.image_id(request.object_id, using),
        generation=secrets.randbits(63),
        wanted=request.wanted,
        requested_at=now,
        due_at=now,
    )


def _upsert(records: list[SyncRecord], using: str, force: bool = False) -> None:
    # Without a digest, a worker does not know that the picture has not changed.
    written = (*_REQUESTED, "digest") if force else _REQUESTED
    takes_target = connections[using].features.supports_update_conflicts_with_target
    SyncRecord.objects.using(using).bulk_create(
        records,
        batch_size=BATCH_SIZE,
        update_conflicts=True,
        update_fields=written,
        unique_fields=["id"] if takes_target else None,
    )


class _PendingDispatch:
    """The records that one transaction has requested.

    ``_find_pending_dispatch()`` finds it through its on_commit callbacks, which a rollback
    discards. The first callback dispatches all records. Workers find nothing to do for those of a
    savepoint that was rolled back.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self.record_ids: set[UUID] = set()

    def dispatch(self) -> None:
        record_ids, self.record_ids = self.record_ids, set()
        if record_ids:
            dispatch.dispatch_all(self.using, sorted(str(record_id) for record_id in record_ids))


def _find_pending_dispatch(connection: BaseDatabaseWrapper) -> _PendingDispatch:
    # Search backwards, because other apps may have registered many callbacks.
    for registered in reversed(connection.run_on_commit):
        owner = getattr(registered[1], "__self__", None)
        if isinstance(owner, _PendingDispatch):
            return owner
    return _PendingDispatch(connection.alias)
