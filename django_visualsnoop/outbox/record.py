"""The sync record of each image: what its collection should hold, and its sync state."""

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
    """What a collection should hold under one image id, and the state of its sync.

    A *sync request* gives the record a new ``generation`` in the transaction that changes the row.
    The worker that processes it sets ``applied`` to the generation it read. The record is in sync
    when both are equal.
    """

    class State(models.TextChoices):
        IN_SYNC = "in_sync", _("in sync")
        WAITING = "waiting", _("waiting")
        RETRYING = "retrying", _("retrying")
        FAILED = "failed", _("failed")

    #: UUIDv5 of collection, model, field and key, so computing it needs no query.
    id = models.UUIDField(primary_key=True, editable=False)
    collection = models.CharField(_("collection"), max_length=100)
    model = models.CharField(_("model"), max_length=200)
    field = models.CharField(_("field"), max_length=100)
    #: Text columns, not varchar: a long key must not make the save fail.
    object_id = models.TextField(_("object id"))
    image_id = models.TextField(_("image id"))

    #: Random number of the newest request. It is not a counter, so that an upsert can set it
    #: without reading the old value.
    generation = models.BigIntegerField()
    #: The generation that was processed last.
    applied = models.BigIntegerField(null=True)
    #: Whether the row wanted its image indexed when it was last read.
    wanted = models.BooleanField()
    #: The column keeps its old name, because earlier versions may run beside this one.
    requested_at = models.DateTimeField(_("requested at"), db_column="wished_at")

    #: When to process this record next; ``None`` once it is in sync or has failed permanently.
    due_at = models.DateTimeField(_("due at"), null=True)
    #: Attempts to process the newest request so far.
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    #: How many attempts in a row ended because their worker died. The database default is for
    #: processes that still run code without this column during an upgrade.
    abandoned = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: Token of the worker that holds this record, and when its lease expires.
    lease = models.BigIntegerField(null=True)
    leased_until = models.DateTimeField(_("leased until"), null=True)

    #: Why the last attempt failed: a code for programs, a sentence for people.
    reason_code = models.CharField(max_length=32, blank=True, default="")
    reason = models.TextField(_("reason"), blank=True, default="")
    #: The file that was applied or failed permanently, and the SHA-256 of its bytes in hex.
    name = models.TextField(_("name"), blank=True, default="")
    digest = models.CharField(_("digest"), max_length=64, blank=True, default="")
    synced_at = models.DateTimeField(_("synced at"), null=True)

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
            return self.State.IN_SYNC
        if self.due_at is None:
            return self.State.FAILED
        return self.State.RETRYING if self.reason_code else self.State.WAITING

    @classmethod
    def in_progress(cls) -> models.Q:
        """Return a ``Q`` for records that are neither in sync nor permanently failed."""
        return ~cls._in_sync() & models.Q(due_at__isnull=False)

    @classmethod
    def _in_sync(cls) -> models.Q:
        return models.Q(applied__isnull=False, applied=models.F("generation"))

    @classmethod
    def in_state(cls, state: State) -> models.Q:
        """Return a ``Q`` for records whose ``state`` is this one."""
        in_sync = cls._in_sync()
        failed = ~in_sync & models.Q(due_at=None)
        return {
            cls.State.IN_SYNC: in_sync,
            cls.State.FAILED: failed,
            cls.State.RETRYING: cls.in_progress() & ~models.Q(reason_code=""),
            cls.State.WAITING: cls.in_progress() & models.Q(reason_code=""),
        }[state]


def records_of(field: IndexedField, using: str) -> QuerySet[SyncRecord]:
    """Return the records of one field."""
    return SyncRecord.objects.using(using).filter(
        collection=field.collection, model=field.label, field=field.name
    )
