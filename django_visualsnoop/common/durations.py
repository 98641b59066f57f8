"""Format durations and times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

if TYPE_CHECKING:
    from datetime import datetime


def duration(seconds: float) -> str:
    """Return a rounded duration such as ``"45 s"``, ``"12 min"`` or ``"3 h 20 min"``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def to_local_time(moment: datetime) -> datetime:
    """Return a time of the database in the current time zone; as it is with ``USE_TZ = False``."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment
