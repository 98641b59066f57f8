"""Lock several sync records without blocking a save, or waiting for one.

A user's transaction that saves two images locks two records, in any order. A worker that locks
several records could deadlock with it, and the database might abort the user's transaction.
Workers and commands therefore lock only records that nobody else has locked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

    from django_visualsnoop.outbox.record import SyncRecord


def lock_skipping_locked(records: QuerySet[SyncRecord]) -> list[UUID]:
    """Lock the records that no other transaction has locked; return their ids.

    Call this in a transaction, which keeps the locks until it ends. Another transaction is
    requesting or finalizing the skipped records. SQLite has one writer at a time and needs no row
    locks; MySQL before 8.0.1 and MariaDB before 10.6 skip nothing and lock nothing.
    """
    rows = records.order_by()
    if connections[records.db].features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return list(rows.values_list("pk", flat=True))
