"""Let transactions that check and save the same file run one after the other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections, models, transaction

from django_visualsnoop.common.installed import require_installed
from django_visualsnoop.common.transactions import begin_writing

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)

require_installed()

#: The table has at most this many rows. Two files that share one only wait for each other.
SLOTS = 1024


class UploadLock(models.Model):
    """A row that a transaction locks while it checks and saves a file."""

    slot = models.PositiveSmallIntegerField(primary_key=True, editable=False)
    #: An upsert needs a column to change.
    uses = models.PositiveSmallIntegerField(default=0)

    class Meta:
        app_label = "visualsnoop"

    def __str__(self) -> str:
        return f"upload lock {self.slot}"


def lock_uploads(digests: Iterable[str], *, using: str) -> None:
    """Wait for other transactions that have locked one of these files, until they end.

    Outside a transaction this does nothing. SQLite has one writer at a time, so there this waits
    until the transaction may write. A database error is logged, and blocks no upload.

    Args:
        digests: the SHA-256 of each file, in hex.
        using: alias of the database of the rows.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        return
    # Sorted, so that two transactions lock the same files in the same order.
    slots = sorted({int(digest[:8], 16) % SLOTS for digest in digests})
    try:
        with transaction.atomic(using=using):
            if connection.vendor == "sqlite":
                begin_writing(UploadLock, using=using)
            else:
                _upsert(slots, using)
    except DatabaseError as error:  # the table may be older than the code
        logger.warning("Could not lock an upload in the database %r.", using, exc_info=error)


def _upsert(slots: list[int], using: str) -> None:
    takes_target = connections[using].features.supports_update_conflicts_with_target
    UploadLock.objects.using(using).bulk_create(
        [UploadLock(slot=slot) for slot in slots],
        update_conflicts=True,
        update_fields=["uses"],
        unique_fields=["slot"] if takes_target else None,
    )
