"""How the engine's times are written out. Imports no Django."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def written(microseconds: int) -> str:
    """Return a time as API v1 writes it, such as ``2015-01-25T20:43:05.690218+00:00``.

    Args:
        microseconds: since 1970, UTC.
    """
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds")
