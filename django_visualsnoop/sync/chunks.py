"""Cut the tables of a reindex into chunks of keys, which workers take one after the other.

The row of the run is the lock: each function here opens a transaction that begins with it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.utils import timezone

from django_visualsnoop.collections import collections
from django_visualsnoop.common.transactions import retry_when_locked, write_when_free
from django_visualsnoop.indexed import rows
from django_visualsnoop.indexed.options import field_by_label
from django_visualsnoop.outbox.leases import LEASE_MARGIN
from django_visualsnoop.outbox.reindex_run import RUN_ID, ReindexChunk, ReindexRun
from django_visualsnoop.sync.reindex import Failures, Plan, ReindexCounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_visualsnoop.indexed.options import IndexedField

#: A chunk's lease outlasts those of its records by this time, in seconds: a worker that takes it
#: over can process these, too.
MARGIN = 2 * LEASE_MARGIN
_RUNNING = ReindexRun.State.RUNNING


@dataclass(frozen=True)
class TakenChunk:
    """A chunk that this process has taken."""

    chunk: ReindexChunk
    field: IndexedField
    plan: Plan
    after: Any
    until: Any


def take_chunk(token: int, *, using: str) -> TakenChunk | float | None:
    """Take the next chunk of the running reindex: one that a worker left, or a new one.

    Args:
        token: the token of the message.
        using: alias of the database.

    Returns:
        The chunk; or how many seconds to wait, if a collection asked for that; or ``None`` if
        this message has nothing more to do.
    """

    def take() -> TakenChunk | float | None:
        run = _lock_run(using)
        if run is None or run.state != _RUNNING or run.token != token:
            return None
        now = timezone.now()
        if run.not_before is not None and run.not_before > now:
            return (run.not_before - now).total_seconds()
        run.not_before, run.reason, run.worked_at = None, "", now
        left = Q(leased_until=None) | Q(leased_until__lt=now)
        taken = None
        chunks = ReindexChunk.objects.using(using).filter(left, run=run).order_by("pk")
        for chunk in [*chunks[:1]]:
            taken = _lease(run, chunk, done_since=chunk.taken_at, using=using)
        if taken is None:
            taken = _cut(run, using)
        if taken is None:
            _end_if_done(run, using)
        run.save(using=using)
        return taken

    return write_when_free(take, ReindexRun, using=using)


def finish_chunk(taken: TakenChunk, tally: ReindexCounts, *, using: str) -> None:
    """Count the rows of a chunk as done, unless another worker has taken it over.

    Args:
        taken: the chunk.
        tally: what became of its rows.
        using: alias of the database.
    """

    def finish() -> None:
        run = _lock_run(using)
        if run is None or not _held(taken, using).delete()[0]:
            return
        run.counts = dict(Counter(run.counts) + tally.counts)
        failures = Failures(run.counts.get("failed", 0), [(a, b) for a, b in run.failures])
        failures.update(tally.failures)
        run.failures = failures.shown
        run.worked_at = timezone.now()
        limit = run.options.get("max_failures")
        if limit is not None and run.counts.get("failed", 0) >= limit and run.state == _RUNNING:
            run.state = ReindexRun.State.PAUSED
            run.reason = f"{run.counts['failed']:,} images have failed (--max-failures {limit})."
        run.save(using=using)

    write_when_free(finish, ReindexRun, using=using)


def give_back(taken: TakenChunk, *, using: str) -> None:
    """Let another worker take a chunk."""
    held = _held(taken, using)
    retry_when_locked(lambda: held.update(lease=None, leased_until=None), using=using)


def hold(seconds: float, reason: str, *, using: str) -> None:
    """Let all workers wait before they take their next chunk.

    Args:
        seconds: how long.
        reason: a sentence for people.
        using: alias of the database.
    """
    run = ReindexRun.objects.using(using).filter(pk=RUN_ID, state=_RUNNING)
    until = timezone.now() + timedelta(seconds=seconds)
    retry_when_locked(lambda: run.update(not_before=until, reason=reason), using=using)


def stop(reason: str, *, using: str) -> None:
    """Pause the reindex because of an error that every chunk may meet."""
    run = ReindexRun.objects.using(using).filter(pk=RUN_ID, state=_RUNNING)
    changes = {"state": ReindexRun.State.PAUSED, "reason": reason}
    retry_when_locked(lambda: run.update(**changes), using=using)


def change_run(change: Callable[[ReindexRun | None], ReindexRun | None], *, using: str) -> None:
    """Change the run, or write the first one, while no worker changes it.

    Args:
        change: gets the run, and returns it to write it. It may be called again.
        using: alias of the database.
    """

    def write() -> None:
        changed = change(_lock_run(using))
        if changed is not None:
            changed.save(using=using)

    write_when_free(write, ReindexRun, using=using)


def _lock_run(using: str) -> ReindexRun | None:
    return ReindexRun.objects.using(using).select_for_update().filter(pk=RUN_ID).first()


def _held(taken: TakenChunk, using: str) -> Any:
    chunks = ReindexChunk.objects.using(using)
    return chunks.filter(pk=taken.chunk.pk, lease=taken.chunk.lease)


def _cut(run: ReindexRun, using: str) -> TakenChunk | None:
    """Cut the next keys off the tables; return ``None`` if none are left."""
    size = run.options["batch_size"]
    while run.place < len(run.fields):
        field = _field(run, run.place)
        if field is not None:
            until = rows.last_key(
                field, using=using, size=size, after=_key(field, run.after, using)
            )
            if until is not None:
                text = field.key_text(until, using)
                chunk = ReindexChunk(
                    run=run,
                    place=run.place,
                    after=run.after,
                    until=text,
                    taken_at=timezone.now(),
                )
                run.after = text
                return _lease(run, chunk, done_since=None, using=using)
        run.place, run.after = run.place + 1, None
    return None


def _lease(
    run: ReindexRun, chunk: ReindexChunk, *, done_since: datetime | None, using: str
) -> TakenChunk | None:
    field = _field(run, chunk.place)
    if field is None:  # the code no longer indexes it
        chunk.delete()
        return None
    chunk.lease = secrets.randbits(63)
    chunk.leased_until = timezone.now() + timedelta(seconds=_longest_call(field) + MARGIN)
    chunk.save(using=using)
    options = run.options
    plan = Plan(
        using=using,
        batch_size=options["batch_size"],
        missing=options["missing"],
        since=None if options["since"] is None else datetime.fromisoformat(options["since"]),
        force=options["force"],
        done_since=done_since,
    )
    after, until = (_key(field, text, using) for text in (chunk.after, chunk.until))
    return TakenChunk(chunk, field, plan, after, until)


def _field(run: ReindexRun, place: int) -> IndexedField | None:
    collection, label, name = run.fields[place]
    field = field_by_label(label, name)
    return field if field is not None and field.collection == collection else None


def _key(field: IndexedField, text: str | None, using: str) -> Any:
    return None if text is None else field.key_value(text, using)


def _longest_call(field: IndexedField) -> float:
    try:
        return collections[field.collection].longest_call
    except (ImproperlyConfigured, ImportError):
        return 0.0  # each record notes the error


def _end_if_done(run: ReindexRun, using: str) -> None:
    if not ReindexChunk.objects.using(using).filter(run=run).exists():
        run.state, run.ended_at = ReindexRun.State.FINISHED, timezone.now()
