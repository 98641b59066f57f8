"""The reindex that workers run together: which rows are done, and which a worker has taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from django_visualsnoop.common.installed import require_installed

if TYPE_CHECKING:
    from django_visualsnoop.indexed.options import IndexedField

require_installed()

_APP = "visualsnoop"
#: The key of the only row.
RUN_ID = 1


class ReindexRun(models.Model):
    """The last reindex by workers: one row per database, or none before the first one.

    Workers cut the next chunk of keys off the table, one after the other, so the number of chunks
    that are stored is the number of workers, however long the table is.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    id = models.PositiveSmallIntegerField(primary_key=True, editable=False)
    state = models.CharField(max_length=9, choices=State.choices)
    #: Collection, label of the model and name of each field, in their order.
    fields: models.JSONField[Any, Any] = models.JSONField()
    #: The arguments of ``sync.reindex.Plan`` that the command gave, and its limit of failures.
    options: models.JSONField[Any, Any] = models.JSONField(default=dict)
    #: Index of the field of the next chunk, and the last key that was cut off, as text. A text
    #: column, as in ``SyncRecord``; ``None`` at the start of a table.
    place = models.PositiveIntegerField(default=0)
    after = models.TextField(null=True)  # noqa: DJ001 -- an empty text may be a key
    #: Rows to process, counted at the start.
    total = models.BigIntegerField(default=0)
    #: The counts and the first failures of the finished chunks; see ``sync.reindex``.
    counts: models.JSONField[Any, Any] = models.JSONField(default=dict)
    failures: models.JSONField[Any, Any] = models.JSONField(default=list)
    #: Random number in the messages to the workers. Older messages have no effect.
    token = models.BigIntegerField()
    #: How many messages there are: the largest number of worker processes that take part.
    workers = models.PositiveSmallIntegerField()
    #: A collection asked to wait until then.
    not_before = models.DateTimeField(null=True)
    #: Why it waits, or why it was paused: a sentence for people.
    reason = models.TextField(blank=True, default="")
    started_at = models.DateTimeField()
    #: When messages were last sent, ``None`` if the broker refused them; and when a worker last
    #: took or finished a chunk.
    sent_at = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        app_label = _APP

    def __str__(self) -> str:
        return f"reindex of {self.started_at:%Y-%m-%d %H:%M:%S}: {self.state}"

    @property
    def is_active(self) -> bool:
        """Whether it is running or paused."""
        return self.state in (self.State.RUNNING, self.State.PAUSED)

    @property
    def done(self) -> int:
        """How many rows are processed."""
        return sum(self.counts.get(name, 0) for name in COUNTS_OF_ROWS)


class ReindexChunk(models.Model):
    """Some rows of one field that a worker processes."""

    run = models.ForeignKey(ReindexRun, models.CASCADE, related_name="chunks")
    #: Index of the field.
    place = models.PositiveIntegerField()
    #: The rows after this key, up to and including the other key, as text.
    after = models.TextField(null=True)  # noqa: DJ001 -- an empty text may be a key
    until = models.TextField()
    #: When a worker first took it. What was synced since then is done.
    taken_at = models.DateTimeField()
    #: Token of the worker that holds it, and when its lease expires; ``None`` if it gave it back.
    lease = models.BigIntegerField(null=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        app_label = _APP

    def __str__(self) -> str:
        return f"{self.place}: {self.after} to {self.until}"


#: The counts that count rows; the others count what became of them.
COUNTS_OF_ROWS = ("wanted", "unwanted", "empty", "left")


def find_run(using: str) -> ReindexRun | None:
    """Return the last reindex by workers; ``None`` if there was none."""
    return ReindexRun.objects.using(using).filter(pk=RUN_ID).first()


def name_field(field: IndexedField) -> list[str]:
    """Return how a run names a field."""
    return [field.collection, field.label, field.name]
