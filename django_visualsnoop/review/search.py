"""Search for the duplicates of a model, in a request or in a task, and store the groups.

A search that takes long does not run in a request: the request stores what it found within its
budget, and a task goes on. A search that a killed worker has left is taken over by the next one.
"""

from __future__ import annotations

import logging
import secrets
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections, transaction
from django.db.models import F, Q
from django.utils import timezone

from django_visualsnoop.collections import collections
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import atomic_unless_open, retry_when_locked
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.outbox.dispatch import dispatch_search
from django_visualsnoop.outbox.retry import classify_error
from django_visualsnoop.querysets import VisualSnoopQuerySet
from django_visualsnoop.review.record import ReviewSearch, find_review_search
from django_visualsnoop.review.storing import replace_groups
from django_visualsnoop.search.duplicates import find_duplicates

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model

    from django_visualsnoop.common.budgets import Budget
    from django_visualsnoop.search.duplicates import DuplicateGroups

logger = logging.getLogger("django_visualsnoop")

#: How often a running search writes its progress, in seconds.
_HEARTBEAT = 2.0
#: A search without a heartbeat for so long has lost its process. Between two heartbeats lies at
#: most the work on one part of the pairs, or one slow file.
ABANDONED_AFTER = timedelta(minutes=5)
#: A search that so many processes have begun, and none ended, fails.
_MOST_ATTEMPTS = 5


class _SupersededError(Exception):
    """Another process has taken over the search."""


def request_search(model: type[Model], *, using: str) -> ReviewSearch:
    """Request a search for the duplicates of a model, and tell Celery on commit; return the search.

    A search that is waiting or running stays as it is.

    Args:
        model: the model.
        using: alias of the database of its rows.
    """
    search = _request(model, using)
    if search.state == ReviewSearch.State.WAITING:
        dispatch = partial(dispatch_search, using, search.model)
        with atomic_unless_open(using=using):
            transaction.on_commit(dispatch, using=using, robust=True)
    return search


def search_within(model: type[Model], budget: Budget, *, using: str) -> ReviewSearch:
    """Search within a budget, at once; if it does not suffice, request the rest.

    Args:
        model: the model.
        budget: limits the work.
        using: alias of the database of its rows.

    Raises:
        Exception: whatever the collection raises. The groups found earlier stay.
    """
    search = _request(model, using)
    lease = _acquire(search)
    if lease is None:  # another process is at it
        return search
    _run(model, search, lease, budget)
    search.refresh_from_db()
    return search if search.complete else request_search(model, using=using)


def run_search(model: type[Model], *, using: str) -> bool:
    """Do what ``request_search`` has requested; return whether there was something to do.

    Raises:
        Exception: an interruption from outside. The search is waiting again.
    """
    search = find_review_search(model, using)
    if search is None:
        return False
    lease = _acquire(search)
    if lease is None:
        return False
    try:
        _run(model, search, lease, None)
    except Exception as error:
        if is_interruption(error):
            raise
        logger.warning("The search for duplicates of %s failed.", search.model, exc_info=error)
    return True


def search_completely(
    model: type[Model], *, using: str, progress: Callable[[float], object]
) -> DuplicateGroups[Any] | None:
    """Search without a limit, at once, and store the groups; return them.

    Args:
        model: the model.
        using: alias of the database of its rows.
        progress: called from time to time with the completed part of the work, 0 to 1.

    Returns:
        ``None`` if another process is searching.

    Raises:
        Exception: whatever the collection raises. The groups found earlier stay.
    """
    search = _request(model, using)
    lease = _acquire(search)
    return None if lease is None else _run(model, search, lease, None, progress)


def list_waiting(using: str) -> list[str]:
    """Return the labels of models whose search was requested, or whose process is gone."""
    gone = Q(state=ReviewSearch.State.RUNNING, heartbeat_at__lt=timezone.now() - ABANDONED_AFTER)
    waiting = ReviewSearch.objects.using(using).filter(Q(state=ReviewSearch.State.WAITING) | gone)
    return list(waiting.values_list("model", flat=True))


def count_changes(search: ReviewSearch) -> int | None:
    """Return how many pictures were added or replaced since the groups were found.

    ``None`` if a collection cannot tell.
    """
    changed = 0
    for alias, token in search.change_tokens.items():
        try:
            count = None if token is None else collections[alias].count_changes_since(token)
        except Exception as error:  # noqa: BLE001 -- a page that shows groups must not fail
            logger.info("Could not count the changes of the collection %r: %s", alias, error)
            return None
        if count is None:
            return None
        changed += count
    return changed


def _request(model: type[Model], using: str) -> ReviewSearch:
    label = model._meta.label_lower
    takes_target = connections[using].features.supports_update_conflicts_with_target
    searches = ReviewSearch.objects.using(using)
    fresh = ReviewSearch(model=label, requested_at=timezone.now())

    def write() -> None:
        # An upsert that changes nothing of a search that is there: it neither reads before it
        # writes nor fails if two requests come at once.
        searches.bulk_create(
            [fresh],
            update_conflicts=True,
            update_fields=["model"],
            unique_fields=["model"] if takes_target else None,
        )
        ended = searches.filter(model=label).exclude(state=ReviewSearch.State.RUNNING)
        ended.update(
            state=ReviewSearch.State.WAITING,
            requested_at=timezone.now(),
            progress=0.0,
            heartbeat_at=None,
            attempts=0,
            reason="",
        )

    retry_when_locked(write, using=using)
    return searches.get(model=label)


def _acquire(search: ReviewSearch) -> int | None:
    """Return the lease of a search; ``None`` if another process has it, or if it has ended."""
    using = search._state.db
    assert using is not None
    lease = secrets.randbits(62)
    now = timezone.now()
    states = ReviewSearch.State
    free = Q(state=states.WAITING) | Q(state=states.RUNNING, heartbeat_at__lt=now - ABANDONED_AFTER)
    rows = ReviewSearch.objects.using(using).filter(free, pk=search.pk)
    begun = retry_when_locked(
        lambda: rows.update(
            state=states.RUNNING,
            lease=lease,
            heartbeat_at=now,
            progress=0.0,
            attempts=F("attempts") + 1,
        ),
        using=using,
    )
    return lease if begun else None


def _run(
    model: type[Model],
    search: ReviewSearch,
    lease: int,
    budget: Budget | None,
    progress: Callable[[float], object] | None = None,
) -> DuplicateGroups[Any] | None:
    """Search, store the groups, and write the outcome; ``None`` if another process took over."""
    using = search._state.db
    assert using is not None
    held = ReviewSearch.objects.using(using).filter(pk=search.pk, lease=lease)

    def write(**values: Any) -> int:
        return retry_when_locked(lambda: held.update(**values), using=using)

    try:
        aliases = sorted({field.collection for field in indexed_fields(model)})
        tokens = {alias: collections[alias].get_change_token() for alias in aliases}
        report = _report_progress(write, progress)
        groups = find_groups(model, using, budget, progress=report)
        replace_groups(search, groups, lease)
    except _SupersededError:
        return None
    except Exception as error:
        attempts = search.attempts + 1
        if is_interruption(error) and attempts < _MOST_ATTEMPTS:
            # A closer look that was taken is stored, so the next process gets further.
            write(state=ReviewSearch.State.WAITING, lease=None)
        else:
            reason = classify_error(error, attempts=1).reason
            write(state=ReviewSearch.State.FAILED, lease=None, reason=reason)
        raise
    write(
        state=ReviewSearch.State.FINISHED,
        lease=None,
        progress=1.0,
        attempts=0,
        reason="",
        found_at=timezone.now(),
        complete=groups.complete,
        change_tokens=tokens,
    )
    return groups


def find_groups(
    model: type[Model],
    using: str,
    budget: Budget | None,
    *,
    of: Any = None,
    progress: Callable[[float], object] | None = None,
) -> DuplicateGroups[Any]:
    """Return the groups of a model's rows, whichever its managers.

    Args:
        model: the model.
        using: alias of the database of its rows.
        budget: limits the work; no limit if ``None``.
        of: a QuerySet; only groups with one of its rows, if given.
        progress: called with the completed part of the work, 0 to 1.
    """
    rows: VisualSnoopQuerySet[Any] = VisualSnoopQuerySet(model, using=using)
    return find_duplicates(
        rows, of=of, field=None, min_similarity=None, progress=progress, budget=budget
    )


def _report_progress(
    write: Callable[..., int], progress: Callable[[float], object] | None
) -> Callable[[float], None]:
    """Return a callback that writes the progress from time to time, and passes it on.

    It raises ``_SupersededError`` once another process has the lease.
    """
    written_at = time.monotonic()

    def report(share: float) -> None:
        nonlocal written_at
        if progress is not None:
            progress(share)
        if time.monotonic() - written_at < _HEARTBEAT:
            return
        written_at = time.monotonic()
        try:
            held = write(progress=min(1.0, share), heartbeat_at=timezone.now())
        except DatabaseError as error:  # the search itself may go on
            logger.info("Could not write the progress of a search: %s", error)
            return
        if not held:
            raise _SupersededError

    return report
