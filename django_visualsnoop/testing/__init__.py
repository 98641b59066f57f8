"""Tools for a project's test suite: a collection in memory, and syncing without a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.collections.recorder import Call, RecorderCollection
from django_visualsnoop.outbox.pausing import sync_paused

if TYPE_CHECKING:
    from django_visualsnoop.sync.outcome import Outcome

__all__ = ["Call", "RecorderCollection", "sync_now", "sync_paused"]


def sync_now(using: str = "default") -> Outcome:
    """Process all pending records now, in this thread and transaction, as a worker would.

    This works inside Django's ``TestCase``, whose transaction never commits. It needs no broker,
    and retries failures immediately, without a worker's delay. Failures that a worker would retry
    for a few minutes, such as a missing file, are final.

    Args:
        using: alias of the database that stores the rows.

    Returns:
        The outcome: ``in_sync``, the number of pictures that are in sync now, and ``retrying`` and
        ``failed``, which map each failed record to its reason. Failures are also in the sync
        records; they are not raised.
    """
    from django_visualsnoop.models import SyncRecord
    from django_visualsnoop.sync.worker import process_records

    pending_records = SyncRecord.objects.using(using).filter(due_at__isnull=False)
    ids = pending_records.values_list("pk", flat=True)
    return process_records(ids, using=using, waits_for_files=False)
