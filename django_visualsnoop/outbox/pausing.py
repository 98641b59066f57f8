"""A context manager that pauses syncing."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_paused: ContextVar[int] = ContextVar("visualsnoop_paused", default=0)


@contextmanager
def sync_paused() -> Iterator[None]:
    """Write no sync requests in this block, so its changes do not reach the collection.

    The block is re-entrant, and local to the thread or asyncio task. ``visualsnoop_reindex``
    indexes the changes later.
    """
    token = _paused.set(_paused.get() + 1)
    try:
        yield
    finally:
        _paused.reset(token)


def is_paused() -> bool:
    return _paused.get() > 0
