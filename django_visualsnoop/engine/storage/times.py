"""Convert times, in microseconds since 1970, UTC, to other formats. Imports no Django."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_datetime(microseconds: int) -> datetime:
    """Return a time as a ``datetime`` in UTC.

    Args:
        microseconds: since 1970, UTC.
    """
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(time: datetime) -> int:
    """Return the microseconds since 1970, UTC, of an aware time."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def format_time(microseconds: int) -> str:
    """Return a time as API v1 writes it, such as ``2015-01-25T20:43:05.690218+00:00``.

    Args:
        microseconds: since 1970, UTC.
    """
    return to_datetime(microseconds).isoformat(timespec="microseconds")
