"""Remove from a collection the images that no row of this project wants."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django_visualsnoop.client.exceptions import (
    InvalidImageIdError,
    NotFoundError,
    VisualSnoopError,
)
from django_visualsnoop.collections import collections
from django_visualsnoop.common.batches import iter_batches
from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.exceptions import CollectionDoesNotExist
from django_visualsnoop.indexed.options import field_by_label
from django_visualsnoop.outbox.record import SyncRecord, records_of
from django_visualsnoop.outbox.requests import SyncRequest
from django_visualsnoop.sync.drift import without_a_row
from django_visualsnoop.sync.listing import Category, Listing
from django_visualsnoop.sync.reindex import ReindexCounts, process_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from django.db.models import QuerySet

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.outbox.retry import CollectionBusyError
    from django_visualsnoop.sync.reindex import Plan


@dataclass
class Pruned:
    """What pruning removed, or with ``dry_run`` would remove."""

    listed: int = 0
    #: Listed images that no row wants.
    images: int = 0
    #: Records whose row, field or collection no longer exists.
    records: int = 0
    #: Listed ids that pruning skipped, by category.
    left: Counter[Category] = field(default_factory=Counter)
    tally: ReindexCounts = field(default_factory=ReindexCounts)
    #: See ``sync.reindex``.
    pause: Callable[[CollectionBusyError], object] | None = None


def prune_listing(
    alias: str, fields: Collection[IndexedField], plan: Plan, pruned: Pruned, *, leftovers: bool
) -> Iterator[int]:
    """Remove the listed images that no row wants; yield after each batch.

    Images of a field are removed by a sync request, so that a row saved meanwhile wins.

    Args:
        alias: alias of the collection.
        fields: the fields whose images may be removed.
        plan: the database and the batch size.
        pruned: counts what is removed.
        leftovers: also remove images whose prefix is that of a field that no longer exists.

    Raises:
        VisualSnoopError: the collection could not list its images.
    """
    for batch in Listing(alias, using=plan.using).walk(plan.batch_size):
        pruned.listed += len(batch)
        requests: list[SyncRequest] = []
        for listed in batch:
            if listed.field is not None and listed.field in fields:
                pruned.images += 1
                requests.append(SyncRequest(listed.field, listed.object_id, wanted=False))
            elif listed.category is Category.LEFTOVER and leftovers:
                pruned.images += 1
                _delete(alias, listed.image_id, plan, pruned)
            elif listed.category is not Category.WANTED:
                pruned.left[listed.category] += 1
        _process(requests, plan, pruned)
        yield len(batch)


def prune_records(field: IndexedField, plan: Plan, pruned: Pruned) -> None:
    """Remove the records of one field whose row no longer exists, and their images."""
    for batch in iter_batches(records_of(field, plan.using), size=plan.batch_size):
        gone = without_a_row(field, batch, using=plan.using)
        pruned.records += len(gone)
        _process(
            [SyncRequest(field, record.object_id, wanted=False) for record in gone], plan, pruned
        )


def prune_orphaned(aliases: Collection[str] | None, plan: Plan, pruned: Pruned) -> None:
    """Remove the records whose field the code no longer indexes in their collection.

    Args:
        aliases: only records of these collections.
        plan: the database and the batch size.
        pruned: counts what is removed.
    """
    for records in orphaned_records(plan.using, aliases):
        for batch in iter_batches(records, size=plan.batch_size):
            pruned.records += len(batch)
            for record in batch:
                removed = _delete(record.collection, record.image_id, plan, pruned)
                if removed and not plan.dry_run:
                    # Unless code that knows its field has requested it again.
                    same = records.filter(pk=record.pk, generation=record.generation)
                    retry_when_locked(same.delete, using=plan.using)


def orphaned_records(
    using: str, aliases: Collection[str] | None = None
) -> list[QuerySet[SyncRecord]]:
    """Return the records whose field the code no longer indexes, by collection and field."""
    records = SyncRecord.objects.using(using)
    found = []
    for alias, model, name in (
        records.order_by().values_list("collection", "model", "field").distinct()
    ):
        known = field_by_label(model, name)
        if (aliases is None or alias in aliases) and (known is None or known.collection != alias):
            found.append(records.filter(collection=alias, model=model, field=name))
    return found


def _process(requests: list[SyncRequest], plan: Plan, pruned: Pruned) -> None:
    if not plan.dry_run:
        process_requests(requests, pruned.tally, plan, pause=pruned.pause)


def _delete(alias: str, image_id: str, plan: Plan, pruned: Pruned) -> bool:
    if plan.dry_run:
        return True
    try:
        collections[alias].delete_image(image_id)
    except (NotFoundError, InvalidImageIdError, CollectionDoesNotExist):
        return True  # the image or its collection does not exist
    except VisualSnoopError as error:
        pruned.tally.failures.add(image_id, str(error))
        return False
    return True
