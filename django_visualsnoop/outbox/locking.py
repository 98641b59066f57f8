"""Locking several sync records without ever making a save wait for us, or us for a save.

A user's transaction that saves two images locks two records, in an order of its own. Whoever
else locks several records at once could deadlock with it, and the database might choose the
user's transaction as the victim. So workers and commands lock only what is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

    from django_visualsnoop.outbox.record import SyncRecord


def lock_skipping_locked(records: QuerySet[SyncRecord]) -> list[UUID]:
    """Lock those of these records that no other transaction is changing; return their ids.

    Call it in a transaction, which holds the locks until it ends. Those left out are being
    wished for, or settled, just now. SQLite has one writer at a time and nothing to lock; on
    MySQL before 8.0.1 and MariaDB before 10.6 nothing is left out, nor locked.
    """
    rows = records.order_by()
    if connections[records.db].features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return list(rows.values_list("pk", flat=True))
