"""Sync records without rows, in the states that outages leave them in."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.utils import timezone

from django_visualsnoop.health import MIN_ATTEMPTS
from django_visualsnoop.models import SyncRecord

if TYPE_CHECKING:
    from datetime import datetime


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def records(count: int, **values: object) -> list[SyncRecord]:
    """Write records that wait, without rows."""
    now = timezone.now()
    made: dict[str, Any] = {
        "collection": "default",
        "model": "testapp.product",
        "field": "photo",
        "wanted": True,
        "generation": 1,
        "requested_at": now,
        "due_at": now,
        **values,
    }
    return SyncRecord.objects.bulk_create(
        SyncRecord(id=uuid4(), object_id=str(n), image_id=f"testapp.product.photo:{n}", **made)
        for n in range(count)
    )


def failing(count: int = 1, code: str = "unreachable", **values: object) -> list[SyncRecord]:
    """Write records that have failed often enough and will be tried again."""
    late = {"due_at": timezone.now() + timedelta(minutes=5), "attempts": MIN_ATTEMPTS}
    return records(count, **{**late, "reason_code": code, "reason": "because", **values})
