"""Reindex by workers: start, pause, resume and cancel the run, and take part in it."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.utils import timezone

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.indexed import rows
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.reindex_run import (
    RUN_ID,
    ReindexChunk,
    ReindexRun,
    find_run,
    name_field,
)
from django_visualsnoop.outbox.retry import CollectionBusyError
from django_visualsnoop.sync.chunks import (
    change_run,
    finish_chunk,
    give_back,
    hold,
    stop,
    take_chunk,
)
from django_visualsnoop.sync.reindex import ReindexCounts, reindex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.sync.chunks import TakenChunk
    from django_visualsnoop.sync.reindex import Plan

logger = logging.getLogger(__name__)

#: Default number of messages, which is the largest number of worker processes that take part.
DEFAULT_WORKERS = 32
#: A run whose workers have done nothing for so long needs new messages.
STALLED_AFTER = timedelta(minutes=1)
#: How long to wait for workers that have never answered before sending messages again.
UNANSWERED_AFTER = timedelta(hours=1)
State = ReindexRun.State


class RunExistsError(Exception):
    """Another reindex by workers has not ended yet."""


def start_run(
    fields: Sequence[IndexedField],
    plan: Plan,
    *,
    workers: int = DEFAULT_WORKERS,
    max_failures: int | None = None,
    after: Any = None,
) -> ReindexRun:
    """Start a reindex by workers, or continue the same one if it has not ended. Dispatch it.

    Args:
        fields: the fields to reindex.
        plan: which rows to process, and how.
        workers: the largest number of worker processes that take part.
        max_failures: pause after so many failures.
        after: start after this key of the first field.

    Raises:
        RunExistsError: another reindex has not ended.
    """
    using = plan.using
    names = [name_field(field) for field in fields]
    options = {
        "batch_size": plan.batch_size,
        "missing": plan.missing,
        "since": None if plan.since is None else plan.since.isoformat(),
        "force": plan.force,
        "max_failures": max_failures,
    }
    total = sum(
        rows.count(field, using=using, after=None if place else after)
        for place, field in enumerate(fields)
    )

    def change(run: ReindexRun | None) -> ReindexRun:
        now = timezone.now()
        if run is not None and run.is_active:
            if (run.fields, run.options) != (names, options):
                raise RunExistsError
            return _resumed(run, workers)
        if run is not None:
            ReindexChunk.objects.using(using).filter(run=run).delete()
        return _resumed(
            ReindexRun(
                id=RUN_ID,
                fields=names,
                options=options,
                after=None if after is None else fields[0].key_text(after, using),
                total=total,
                started_at=now,
            ),
            workers,
        )

    change_run(change, using=using)
    return dispatch_run(using)


def resume_run(using: str, workers: int | None = None) -> ReindexRun | None:
    """Continue a reindex that has not ended, and dispatch it; return it.

    Args:
        using: alias of the database.
        workers: as for ``start_run``; as before if ``None``.

    Returns:
        ``None`` if there is none.
    """

    def change(run: ReindexRun | None) -> ReindexRun | None:
        if run is None or not run.is_active:
            return None
        return _resumed(run, workers or run.workers)

    change_run(change, using=using)
    run = find_run(using)
    return dispatch_run(using) if run is not None and run.is_active else None


def set_state(state: str, *, using: str) -> ReindexRun | None:
    """Pause or cancel a reindex that has not ended; return it, or ``None`` if there is none.

    Workers finish the chunks that they have taken.
    """
    changed: list[ReindexRun] = []

    def change(run: ReindexRun | None) -> ReindexRun | None:
        changed.clear()
        if run is None or not run.is_active:
            return None
        run.state, run.reason = state, ""
        if state == State.CANCELLED:
            run.ended_at = timezone.now()
            ReindexChunk.objects.using(using).filter(run=run).delete()
        changed.append(run)
        return run

    change_run(change, using=using)
    return changed[0] if changed else None


def dispatch_run(using: str) -> ReindexRun:
    """Send the messages of the run; return it. Its ``sent_at`` is ``None`` if that failed."""
    run = find_run(using)
    assert run is not None
    if not dispatch.dispatch_reindex(using, run.token, count=run.workers):
        run.sent_at = None
        run.save(using=using, update_fields=["sent_at"])
    return find_run(using) or run


def dispatch_stalled(using: str) -> bool:
    """Send the messages again if no worker has a chunk of the running reindex, such as after all
    were killed; return whether this was necessary.

    If no worker has answered the last messages, perhaps because none serves their queue, this
    waits for an hour. So messages do not pile up.
    """
    now = timezone.now()
    try:
        run = find_run(using)
    except DatabaseError as error:  # the tables may be older than the code
        logger.warning("Could not read the reindex in the database %r.", using, exc_info=error)
        return False
    if run is None or run.state != State.RUNNING or (run.not_before and run.not_before > now):
        return False
    chunks = ReindexChunk.objects.using(using).filter(run=run, leased_until__gt=now)
    answered = bool(run.worked_at and run.sent_at and run.worked_at >= run.sent_at)
    seen = run.worked_at if answered else run.sent_at
    if seen is not None and now - seen < (STALLED_AFTER if answered else UNANSWERED_AFTER):
        return False
    return not chunks.exists() and resume_run(using) is not None


def count_taken(using: str) -> int:
    """Return how many workers have a chunk of the run."""
    chunks = ReindexChunk.objects.using(using)
    return chunks.filter(leased_until__gt=timezone.now()).count()


def process_chunks(token: int, *, using: str, seconds: float) -> float | None:
    """Take part in a reindex: process chunk after chunk.

    Args:
        token: the token of the message.
        using: alias of the database.
        seconds: stop after the chunk that ends after this time.

    Returns:
        In how many seconds to go on; ``None`` if nothing is left to do.

    Raises:
        Exception: an interruption from outside, or an error of the project's code. The chunk is
            left to another worker; after an error, the run is paused.
    """
    deadline = time.monotonic() + seconds
    while (taken := take_chunk(token, using=using)) is not None:
        if isinstance(taken, float):
            if time.monotonic() + taken > deadline:
                return min(taken, dispatch.MAX_COUNTDOWN)
            time.sleep(taken)
            continue
        _process_chunk(taken, using)
        if time.monotonic() >= deadline:
            return 0.0
    return None


def _process_chunk(taken: TakenChunk, using: str) -> None:
    tally = ReindexCounts()
    try:
        for step in reindex(taken.field, taken.plan, after=taken.after, until=taken.until):
            tally.update(step.tally)
    except CollectionBusyError as error:
        give_back(taken, using=using)
        hold(error.seconds, str(error), using=using)
    except BaseException as error:
        with suppress(DatabaseError):  # else the lease expires
            give_back(taken, using=using)
            if not is_interruption(error) and not isinstance(error, DatabaseError):
                stop(f"{type(error).__name__}: {error}", using=using)
        raise
    else:
        finish_chunk(taken, tally, using=using)


def _resumed(run: ReindexRun, workers: int) -> ReindexRun:
    """Let only new messages take part."""
    run.state, run.reason, run.not_before = State.RUNNING, "", None
    run.token, run.workers, run.sent_at = secrets.randbits(62), workers, timezone.now()
    return run
