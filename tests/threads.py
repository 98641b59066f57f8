"""Run something on a connection of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

#: Seconds after which whoever still runs waits for the caller's transaction.
PATIENCE = 20


def in_thread(function: Callable[[], _T]) -> _T:
    """Run a function in a thread; fail if it has to wait for the caller's transaction."""
    results: list[_T] = []

    def run() -> None:
        try:
            results.append(function())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert results, "it waits for the open transaction, or has raised"
    return results[0]
