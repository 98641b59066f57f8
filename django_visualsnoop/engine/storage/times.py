"""Times in microseconds since 1970, UTC: read the clock, and convert them. Imports no Django."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_datetime(microseconds: int) -> datetime:
    """Return a time as a ``datetime`` in UTC.

    Args:
        microseconds: since 1970, UTC.
    """
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970, UTC, of an aware time."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def format_time(microseconds: int) -> str:
    """Return a time as API v1 writes it, such as ``2015-01-25T20:43:05.690218+00:00``.

    Args:
        microseconds: since 1970, UTC.
    """
    return to_datetime(microseconds).isoformat(timespec="microseconds")


_clock_lock = threading.Lock()
_last_time = 0


def read_clock() -> int:
    """Return microseconds since 1970, UTC, later than any earlier call in this process."""
    global _last_time
    with _clock_lock:
        _last_time = max(time.time_ns() // 1000, _last_time + 1)
        return _last_time
