"""The mixin that indexes a model's pictures in a collection, and the models of this app."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from django.db import models

from django_visualsnoop.indexed import tracking
from django_visualsnoop.indexed.checks import check_model
from django_visualsnoop.merging.record import Resolution as Resolution  # a model of this app
from django_visualsnoop.outbox.pausing import sync_paused as sync_paused
from django_visualsnoop.outbox.record import SyncRecord as SyncRecord  # a model of this app
from django_visualsnoop.outbox.reindex_run import (
    ReindexChunk as ReindexChunk,
)  # a model of this app
from django_visualsnoop.outbox.reindex_run import ReindexRun as ReindexRun  # models of this app
from django_visualsnoop.outbox.saving import check_lone_insert, check_lone_update, save_row
from django_visualsnoop.outbox.sweeps import SweepRun as SweepRun  # a model of this app
from django_visualsnoop.querysets import VisualSnoopManager
from django_visualsnoop.review.record import ReviewGroup as ReviewGroup  # a model of this app
from django_visualsnoop.review.record import ReviewMember as ReviewMember
from django_visualsnoop.review.record import ReviewSearch as ReviewSearch
from django_visualsnoop.uploads.kept import KeptUpload as KeptUpload  # a model of this app
from django_visualsnoop.uploads.locking import UploadLock as UploadLock  # a model of this app

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.checks import CheckMessage


class VisualSnoopMixin(models.Model):
    """Index the pictures of a model's image fields in a collection.

    List it before ``models.Model``. An inner ``class VisualSnoop`` may set options::

        class VisualSnoop:
            fields = ["photo"]          # default: every ImageField
            collection = "default"      # alias in settings.VISUALSNOOP
            image_id = "{model}.{field}:{pk}"   # also {database}; {pk} exactly once
            condition_fields = ["active"]       # what visualsnoop_should_index() reads
    """

    class VisualSnoop:
        pass

    if TYPE_CHECKING:  # rows that a search returned have these; see ``similar_to()``
        visualsnoop_rank: int
        visualsnoop_similarity: float | None
        visualsnoop_relation: str | None
        visualsnoop_difference: float | None

    objects = VisualSnoopManager()

    class Meta:
        abstract = True

    def __getstate__(self) -> dict[str, Any]:
        return tracking.state_to_copy(self, super().__getstate__())

    def visualsnoop_should_index(self) -> bool:
        """Whether to index this row's pictures; override it to exclude rows.

        Every save calls it, and the worker calls it again, so it should read only this row's own
        columns. Name them in ``condition_fields``, so that other saves do not call it.
        """
        return True

    #: Marks indexed models; see ``indexed.options``.
    _visualsnoop_always_index = visualsnoop_should_index

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        return [*super().check(**kwargs), *check_model(cls)]

    def _save_table(
        self,
        raw: bool = False,
        cls: type[models.Model] | None = None,
        force_insert: bool = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> bool:
        """Write the row and its sync records in one transaction.

        Django calls this for the table of each parent, then for the model's own table. Fixtures,
        which call ``Model.save_base()``, use it as well.
        """
        save = super()._save_table  # type: ignore[misc]  # not in the stubs
        write = partial(save, raw, cls, force_insert, force_update, using, update_fields)
        if cls is not self._meta.concrete_model or using is None:
            return bool(write())
        names = None if update_fields is None else frozenset(update_fields)
        return save_row(self, write, raw=raw, using=using, update_fields=names)

    def _do_update(self, *args: Any, **kwargs: Any) -> Any:
        check_lone_update(self)
        return super()._do_update(*args, **kwargs)

    def _do_insert(self, *args: Any, **kwargs: Any) -> Any:
        check_lone_insert(self)
        return super()._do_insert(*args, **kwargs)  # type: ignore[misc]

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Self] | None = None,
    ) -> None:
        super().refresh_from_db(using, fields, from_queryset)
        tracking.forget(self, fields)
