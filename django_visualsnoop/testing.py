"""What a project's own test suite needs: a collection in memory, and syncing without a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.collections.recorder import Call, RecorderCollection
from django_visualsnoop.outbox.pausing import sync_paused

if TYPE_CHECKING:
    from django_visualsnoop.sync.outcome import Outcome

__all__ = ["Call", "RecorderCollection", "sync_now", "sync_paused"]


def sync_now(using: str = "default") -> Outcome:
    """Do now, in this thread and transaction, what a worker would do after the commit.

    So it works inside Django's ``TestCase``, whose transaction never commits. It asks for
    no broker, and tries at once what failed before, without the wait that a worker keeps.
    What a worker would look at again for some minutes, such as a missing file, is final at once.

    Args:
        using: alias of the database that holds the rows.

    Returns:
        How it went: ``agreed``, the number of pictures whose collection now holds what their
        rows say, and ``retrying`` and ``failed``, which give the reason of each that failed.
        A failure is in there and in the sync record; it is not raised.
    """
    from django_visualsnoop.models import SyncRecord
    from django_visualsnoop.sync.worker import process_records

    pending_records = SyncRecord.objects.using(using).filter(due_at__isnull=False)
    ids = pending_records.values_list("pk", flat=True)
    return process_records(ids, using=using, waits_for_files=False)
