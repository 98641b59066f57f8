"""When the sweeper last ran, so that checks can report a missing sweeper."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.common.transactions import retry_when_locked

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

#: The key of the only row.
_KEY = 1
#: How long recording a sweep waits for a lock, in seconds.
_PATIENCE = 5.0


class SweepRun(models.Model):
    """The last sweep of a database: one row, or none before the first sweep."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=_KEY, editable=False)
    started_at = models.DateTimeField()
    #: ``None`` until a sweep has finished.
    ended_at = models.DateTimeField(null=True)
    #: Number of records that the last finished sweep processed.
    worked_on = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "visualsnoop"
        verbose_name = _("sweep")
        verbose_name_plural = _("sweeps")

    def __str__(self) -> str:
        return f"sweep of {self.started_at:%Y-%m-%d %H:%M:%S}"


def last_sweep(using: str) -> SweepRun | None:
    """Return the last sweep of a database; ``None`` before the first one.

    Raises:
        django.db.Error: the database does not answer, or lacks the table.
    """
    return SweepRun.objects.using(using).filter(pk=_KEY).first()


def note_start(using: str) -> None:
    """Record the start of a sweep. A database error does not prevent the sweep."""
    takes_target = connections[using].features.supports_update_conflicts_with_target
    run = SweepRun(started_at=timezone.now())
    _write(
        using,
        lambda: SweepRun.objects.using(using).bulk_create(
            [run],
            update_conflicts=True,
            update_fields=["started_at"],
            unique_fields=["id"] if takes_target else None,
        ),
    )


def note_end(using: str, worked_on: int) -> None:
    """Record the end of a sweep.

    Args:
        using: alias of the database.
        worked_on: how many records it processed.
    """
    run = SweepRun.objects.using(using).filter(pk=_KEY)
    _write(using, lambda: run.update(ended_at=timezone.now(), worked_on=worked_on))


def _write(using: str, work: Callable[[], object]) -> None:
    try:
        retry_when_locked(work, using=using, patience=_PATIENCE)
    except DatabaseError as error:  # the tables may be older than the code
        logger.warning("Could not record the sweep of database %r: %s", using, type(error).__name__)
