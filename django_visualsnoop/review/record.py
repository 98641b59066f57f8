"""What the last search for duplicates of a model found, and what was decided on each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.common.installed import require_installed
from django_visualsnoop.merging.record import Resolution

if TYPE_CHECKING:
    from django.db.models import QuerySet

require_installed()

_APP = "visualsnoop"


class ReviewSearch(models.Model):
    """The last search for the duplicates of one model: one row per model and database."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        FAILED = "failed", _("failed")

    #: ``Meta.label_lower`` of the model.
    model = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    requested_at = models.DateTimeField()
    #: 0 to 1: the completed part of the work.
    progress = models.FloatField(default=0.0)
    #: Random number of the process that searches, and when it last wrote the progress.
    lease = models.BigIntegerField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    #: How many processes in a row began this search and did not end it.
    attempts = models.PositiveSmallIntegerField(default=0)
    #: Why the search failed: a sentence for people.
    reason = models.TextField(blank=True, default="")
    #: When the groups that are stored were found; ``None`` before the first search has ended.
    found_at = models.DateTimeField(null=True)
    #: Whether that search has compared everything.
    complete = models.BooleanField(default=False)
    #: Alias of each collection → its change token as that search began.
    change_tokens: models.JSONField[Any, Any] = models.JSONField(default=dict)

    class Meta:
        app_label = _APP
        db_table = "visualsnoop_reviewsearch"
        verbose_name = _("search for duplicates")
        verbose_name_plural = _("searches for duplicates")

    def __str__(self) -> str:
        return f"{self.model}: {self.state}"

    @property
    def is_active(self) -> bool:
        """Whether the search is still to be done, or goes on."""
        return self.state in (self.State.WAITING, self.State.RUNNING)

    @property
    def percent(self) -> int:
        return int(100 * self.progress)


class ReviewGroup(models.Model):
    """A group of copies that the search found, and the decision on it."""

    class State(models.TextChoices):
        OPEN = "open", _("to review")
        #: Some rows were removed, others kept.
        RESOLVED = "resolved", _("resolved")
        #: All are kept although they are copies. Later searches do not open the group again.
        KEPT = "kept", _("all kept")
        #: They were marked in the collection.
        NOT_DUPLICATES = "not_duplicates", _("not duplicates")

    search = models.ForeignKey(ReviewSearch, models.CASCADE, related_name="groups")
    #: The order of the search: the closest group has the lowest number.
    number = models.PositiveIntegerField()
    #: SHA-256 of the keys of the members, in hex.
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=14, choices=State.choices, default=State.OPEN)
    size = models.PositiveIntegerField()
    #: 0…1: the lowest similarity of a member to its closest one; ``None`` if the collection
    #: provides none.
    similarity = models.FloatField(null=True)
    #: The bytes of all files but the largest; ``None`` if unknown.
    free_bytes = models.BigIntegerField(null=True)
    #: A random text that an action gave to the groups of the selected rows.
    selection = models.CharField(max_length=16, blank=True, default="")
    decided_at = models.DateTimeField(null=True)
    #: Who decided.
    decided_by = models.CharField(max_length=150, blank=True, default="")
    #: Pairs of keys, as text, that this decision marked as not duplicates.
    marked: models.JSONField[Any, Any] = models.JSONField(default=list)
    #: What was removed and moved, to undo it.
    resolution = models.ForeignKey(
        Resolution, models.SET_NULL, null=True, related_name="+", db_constraint=False
    )

    class Meta:
        app_label = _APP
        db_table = "visualsnoop_reviewgroup"
        verbose_name = _("group of duplicates")
        verbose_name_plural = _("groups of duplicates")
        indexes = [models.Index(fields=["search", "state", "number"], name="visualsnoop_review")]

    def __str__(self) -> str:
        return f"{self.number}: {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN


class ReviewMember(models.Model):
    """A row of a group."""

    group = models.ForeignKey(ReviewGroup, models.CASCADE, related_name="members")
    #: The key of the row, as text: a text column, as in ``SyncRecord``.
    object_id = models.TextField()
    #: The name of the image field of the picture.
    field = models.CharField(max_length=100)
    rank = models.BigIntegerField()
    #: 0…1, to the member that it resembles most; ``None`` if the collection provides none.
    similarity = models.FloatField(null=True)

    class Meta:
        app_label = _APP
        db_table = "visualsnoop_reviewmember"
        verbose_name = _("member of a group of duplicates")
        verbose_name_plural = _("members of groups of duplicates")

    def __str__(self) -> str:
        return self.object_id


def find_review_search(model: type[models.Model], using: str) -> ReviewSearch | None:
    """Return the last search for duplicates of a model; ``None`` if there was none."""
    return ReviewSearch.objects.using(using).filter(model=model._meta.label_lower).first()


def list_groups(search: ReviewSearch, state: str | None = None) -> QuerySet[ReviewGroup]:
    """Return the groups of a search in the order of their numbers.

    Args:
        search: the search.
        state: one of ``ReviewGroup.State``; all if ``None``.
    """
    groups = ReviewGroup.objects.using(search._state.db).filter(search=search)
    if state is not None:
        groups = groups.filter(state=state)
    return groups.order_by("number", "pk")
