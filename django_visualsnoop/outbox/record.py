"""The record of each image: what a collection should hold, and how far that is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.common.installed import require_installed

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_visualsnoop.indexed.options import IndexedField

require_installed()


class SyncRecord(models.Model):
    """What a collection should hold under one image id, and how far that is true.

    A *wish* gives the record a new ``generation`` in the transaction that changed the row;
    whoever makes it true sets ``applied`` to the generation it read. They agree when equal.
    """

    class State(models.TextChoices):
        AGREES = "agrees", _("agrees")
        WAITING = "waiting", _("waiting")
        RETRYING = "retrying", _("retrying")
        PARKED = "parked", _("failed")

    #: UUIDv5 of collection, model, field and key: known without asking the database.
    id = models.UUIDField(primary_key=True, editable=False)
    collection = models.CharField(max_length=100)
    model = models.CharField(max_length=200)
    field = models.CharField(max_length=100)
    #: Text columns, not varchar: a key that is too long must not make the save fail.
    object_id = models.TextField()
    image_id = models.TextField()

    #: Random stamp of the newest wish. Random rather than counted, so that one upsert
    #: can set it without reading the old one.
    generation = models.BigIntegerField()
    #: The generation that was last made true.
    applied = models.BigIntegerField(null=True)
    #: Whether the row wanted its image indexed when last looked at.
    wanted = models.BooleanField()
    wished_at = models.DateTimeField()

    #: When to work on this record next; ``None`` once it agrees or is parked.
    due_at = models.DateTimeField(null=True)
    #: Attempts at the newest wish so far.
    attempts = models.PositiveIntegerField(default=0)
    #: How many attempts in a row ended with their worker, nobody knows how. The default in the
    #: database is for processes that still run the code before this column, during an upgrade.
    abandoned = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: The worker that has claimed this record, until when.
    lease = models.BigIntegerField(null=True)
    leased_until = models.DateTimeField(null=True)

    #: Why the last attempt failed: a word for programs, a sentence for people.
    reason_code = models.CharField(max_length=32, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    #: The file that was applied, or failed for good, and the SHA-256 of its bytes in hex.
    name = models.TextField(blank=True, default="")
    digest = models.CharField(max_length=64, blank=True, default="")
    synced_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("sync record")
        verbose_name_plural = _("sync records")
        indexes = [
            models.Index(fields=["due_at"], name="visualsnoop_due"),
            models.Index(fields=["collection", "model", "field"], name="visualsnoop_field"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} in {self.collection}: {self.state.value}"

    @property
    def state(self) -> State:
        if self.applied == self.generation:
            return self.State.AGREES
        if self.due_at is None:
            return self.State.PARKED
        return self.State.RETRYING if self.reason_code else self.State.WAITING

    @classmethod
    def in_progress(cls) -> models.Q:
        """Return the condition, in SQL, that a record does not agree and is not parked."""
        return ~cls._agrees() & models.Q(due_at__isnull=False)

    @classmethod
    def _agrees(cls) -> models.Q:
        return models.Q(applied__isnull=False, applied=models.F("generation"))

    @classmethod
    def in_state(cls, state: State) -> models.Q:
        """Return the condition, in SQL, under which a record's ``state`` is this one."""
        agrees = cls._agrees()
        parked = ~agrees & models.Q(due_at=None)
        return {
            cls.State.AGREES: agrees,
            cls.State.PARKED: parked,
            cls.State.RETRYING: cls.in_progress() & ~models.Q(reason_code=""),
            cls.State.WAITING: cls.in_progress() & models.Q(reason_code=""),
        }[state]


def records_of(field: IndexedField, using: str) -> QuerySet[SyncRecord]:
    """Return the records of one field."""
    return SyncRecord.objects.using(using).filter(
        collection=field.collection, model=field.label, field=field.name
    )
