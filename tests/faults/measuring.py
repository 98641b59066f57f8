"""Measure how long commits take in this process, and how much of that is dispatch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django_visualsnoop.outbox import dispatch

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

#: Start, by the clock that all processes share, and duration, in seconds.
Span = tuple[float, float]


class Stopwatch:
    """Time every commit of one connection, including callbacks, and every dispatch."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.commits: list[Span] = []
        self.dispatches: list[Span] = []
        self._watch_commits(connection)
        self._watch_dispatch()

    def clear(self) -> None:
        self.commits.clear()
        self.dispatches.clear()

    def _watch_commits(self, connection: Any) -> None:
        commit, run_callbacks = connection.commit, connection.run_and_clear_commit_hooks
        began = 0.0

        def timed_commit() -> None:
            nonlocal began
            began = time.monotonic()
            commit()

        def timed_callbacks() -> None:
            nonlocal began
            run_callbacks()
            if began:
                self.commits.append((began, time.monotonic() - began))
                began = 0.0

        connection.commit = timed_commit
        connection.run_and_clear_commit_hooks = timed_callbacks

    def _watch_dispatch(self) -> None:
        publish = dispatch.dispatch_records

        def timed_publish(*args: Any, **kwargs: Any) -> bool:
            began = time.monotonic()
            try:
                return publish(*args, **kwargs)
            finally:
                self.dispatches.append((began, time.monotonic() - began))

        dispatch.dispatch_records = timed_publish
