"""Celery tasks: thin wrappers around ``sync``, whose arguments are plain strings and numbers."""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from celery import shared_task
from django.apps import apps

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.retry import FIRST_DELAY
from django_visualsnoop.review.search import list_waiting, run_search
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.audit import BATCH_SIZE, audit_batches
from django_visualsnoop.sync.outcome import Outcome
from django_visualsnoop.sync.reindex_runs import dispatch_stalled, process_chunks
from django_visualsnoop.sync.rewritten import LOOK_AGAIN_AFTER
from django_visualsnoop.uploads.kept import delete_old_uploads

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

#: How long these tasks go on, in seconds.
DUE_SECONDS, REINDEX_SECONDS = 5.0, 20.0


@shared_task(name="django_visualsnoop.sync_records", ignore_result=True, acks_late=True)
def sync_records(using: str, record_ids: list[str]) -> None:
    """Bring the collections in sync with the current rows of these records.

    Afterwards, process a few overdue records, unless one of these failed.
    """
    outcome = Outcome()
    with _ending_quietly(using) as interrupted:
        worker.process_records(record_ids, using=using, outcome=outcome)
        # An eager task delays a request, so it processes only the request's own records.
        if not outcome.retrying and not sync_records.request.is_eager:
            worker.process_overdue(using=using)
    if interrupted:
        # Continue at once, unless nothing was done within the time limit.
        countdown = None if outcome.worked_on else FIRST_DELAY
        with _ending_quietly(using):
            dispatch.dispatch_records(using, worker.still_due(record_ids, using=using), countdown)
    dispatch.dispatch_later(using, outcome.later)
    dispatch.dispatch_look_again(using, outcome.fresh, LOOK_AGAIN_AFTER)


@shared_task(name="django_visualsnoop.sync_due", ignore_result=True, acks_late=True)
def sync_due(using: str) -> None:
    """Process records that are due, after one transaction has requested hundreds.

    It ends after some seconds and goes on in another task, so that others have their turn.
    """
    outcome = Outcome()
    with _ending_quietly(using) as interrupted:
        if worker.process_due(using=using, seconds=DUE_SECONDS, outcome=outcome):
            dispatch.dispatch_due_again(using)
    if interrupted:
        dispatch.dispatch_due_again(using)
    dispatch.dispatch_later(using, outcome.later)
    dispatch.dispatch_look_again(using, outcome.fresh, LOOK_AGAIN_AFTER)


@shared_task(name="django_visualsnoop.reindex_chunks", ignore_result=True, acks_late=True)
def reindex_chunks(using: str, token: str) -> None:
    """Take part in the reindex that ``visualsnoop_reindex --async`` has started.

    It ends after some seconds and goes on in another task, so that a worker can be stopped.
    """
    eager = reindex_chunks.request.is_eager
    countdown = None
    with _ending_quietly(using) as interrupted:
        seconds = math.inf if eager else REINDEX_SECONDS
        countdown = process_chunks(int(token), using=using, seconds=seconds)
    if interrupted:
        countdown = FIRST_DELAY
    if countdown is not None:
        dispatch.dispatch_reindex(using, int(token), countdown=countdown or None)


@shared_task(name="django_visualsnoop.look_again", ignore_result=True)
def look_again(using: str, record_ids: list[str]) -> None:
    """Index files again that were rewritten after indexing, for example by a ``save()`` method."""
    with _ending_quietly(using):
        worker.process_rewritten(record_ids, using=using)


@shared_task(name="django_visualsnoop.sync_all", ignore_result=True)
def sync_all(using: str = "default", limit: int = 10_000) -> int:
    """The sweeper: process up to ``limit`` records that are due; return how many.

    Schedule it with Celery beat, about every minute, to process records whose message was lost. It
    also deletes what forms have kept for too long, and continues a reindex whose workers are gone.
    """
    outcome = Outcome()
    with _ending_quietly(using):
        worker.sweep(using=using, limit=limit, outcome=outcome)
    delete_old_uploads(using=using)
    dispatch.dispatch_look_again(using, outcome.fresh, LOOK_AGAIN_AFTER)
    dispatch_stalled(using)
    for label in list_waiting(using):
        dispatch.dispatch_search(using, label)
    return outcome.worked_on


@shared_task(name="django_visualsnoop.audit", ignore_result=True)
def audit(using: str = "default", batch_size: int = BATCH_SIZE) -> int:
    """Request a sync of rows that differ from their record; return how many.

    It scans whole tables, so schedule it every hour or every night.
    """
    found = 0
    with _ending_quietly(using):
        for written in audit_batches(using=using, batch_size=batch_size):
            found += written
    return found


@shared_task(name="django_visualsnoop.find_duplicates", ignore_result=True, acks_late=True)
def find_duplicates(using: str, labels: list[str]) -> None:
    """Search for the duplicates of these models, as their review pages have requested."""
    for label in labels:
        try:
            model = apps.get_model(label)
        except LookupError:  # a message of another version of the project
            logger.warning("Cannot search for duplicates of %r: there is no such model.", label)
            continue
        with _ending_quietly(using) as interrupted:
            run_search(model, using=using)
        if interrupted:
            dispatch.dispatch_search(using, label)


@contextmanager
def _ending_quietly(using: str) -> Iterator[list[Exception]]:
    """End a task without a traceback if it reaches its time limit, or if a lock persists.

    Its leases have been released by then, and the remaining records are still due.

    Yields:
        A list that contains the error afterwards, if there was one.
    """
    caught: list[Exception] = []
    try:
        yield caught
    except Exception as error:
        if is_interruption(error):
            why = f"it reached its time limit ({type(error).__name__})"
        elif is_lock_error(error):
            why = f"the database {using!r} was locked for too long"
        else:
            raise
        caught.append(error)
        logger.warning("The task stopped early: %s. The remaining records stay due.", why)
