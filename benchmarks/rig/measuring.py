"""How long commits take in this process, and how much of that is spent on hints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django_visualsnoop.outbox import dispatch

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

#: When it began, by the clock that all processes share, and how long it took, in seconds.
Span = tuple[float, float]


class Stopwatch:
    """Times every commit of one connection, callbacks included, and every call that hints."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.commits: list[Span] = []
        self.hints: list[Span] = []
        self._watch_commits(connection)
        self._watch_hints()

    def clear(self) -> None:
        self.commits.clear()
        self.hints.clear()

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

    def _watch_hints(self) -> None:
        publish = dispatch.dispatch_records

        def timed_publish(*args: Any, **kwargs: Any) -> bool:
            began = time.monotonic()
            try:
                return publish(*args, **kwargs)
            finally:
                self.hints.append((began, time.monotonic() - began))

        dispatch.dispatch_records = timed_publish
