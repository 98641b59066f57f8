"""Celery tasks: thin calls into ``sync`` and ``auditing``, with plain strings and numbers."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from celery import shared_task

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.retry import FIRST_DELAY
from django_visualsnoop.sync import audit as auditing
from django_visualsnoop.sync import worker as sync
from django_visualsnoop.sync.outcome import Outcome
from django_visualsnoop.sync.rewritten import LOOK_AGAIN_AFTER

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


@shared_task(name="django_visualsnoop.sync_records", ignore_result=True, acks_late=True)
def sync_records(using: str, record_ids: list[str]) -> None:
    """Make the collections agree with these records' rows as they are now.

    Besides, it takes a few records along that nobody came for, as long as nothing fails.
    """
    outcome = Outcome()
    with _ending_quietly(using) as interrupted:
        sync.process_records(record_ids, using=using, outcome=outcome)
        # An eager task holds up a request, which has enough to do with its own records.
        if not outcome.retrying and not sync_records.request.is_eager:
            sync.process_overdue(using=using)
    if interrupted:
        # What is left goes on at once, unless nothing at all was done within the limit.
        countdown = None if outcome.worked_on else FIRST_DELAY
        with _ending_quietly(using):
            dispatch.dispatch_records(using, sync.still_due(record_ids, using=using), countdown)
    dispatch.dispatch_later(using, outcome.later)
    dispatch.dispatch_look_again(using, outcome.fresh, LOOK_AGAIN_AFTER)


@shared_task(name="django_visualsnoop.look_again", ignore_result=True)
def look_again(using: str, record_ids: list[str]) -> None:
    """Index files again that were written again since, as by a ``save()`` that shrinks them."""
    with _ending_quietly(using):
        sync.process_rewritten(record_ids, using=using)


@shared_task(name="django_visualsnoop.sync_all", ignore_result=True)
def sync_all(using: str = "default", limit: int = 10_000) -> int:
    """The sweeper: work on up to ``limit`` records that are due; return how many.

    Schedule it with Celery beat, every minute or so, for what a lost hint left behind.
    """
    outcome = Outcome()
    with _ending_quietly(using):
        sync.sweep(using=using, limit=limit, outcome=outcome)
    dispatch.dispatch_look_again(using, outcome.fresh, LOOK_AGAIN_AFTER)
    return outcome.worked_on


@shared_task(name="django_visualsnoop.audit", ignore_result=True)
def audit(using: str = "default", batch_size: int = auditing.BATCH_SIZE) -> int:
    """Wish again for rows that disagree with their record; return how many.

    It walks through whole tables: schedule it every hour or every night.
    """
    found = 0
    with _ending_quietly(using):
        for written in auditing.audit_batches(using=using, batch_size=batch_size):
            found += written
    return found


@contextmanager
def _ending_quietly(using: str) -> Iterator[list[Exception]]:
    """Let a task end without a traceback if it ran out of time, or met a lock for too long.

    What it held is given back by then, and what it has not done is still due.

    Yields:
        A list, which afterwards holds the error if there was one.
    """
    caught: list[Exception] = []
    try:
        yield caught
    except Exception as error:
        if is_interruption(error):
            why = f"its time limit came ({type(error).__name__})"
        elif is_lock_error(error):
            why = f"others held the database {using!r} for too long"
        else:
            raise
        caught.append(error)
        logger.warning("The task ends before it is done, since %s. The rest stays due.", why)
