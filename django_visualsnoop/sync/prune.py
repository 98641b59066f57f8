"""Removing from a collection what no row of this project wants, and nobody else's pictures."""

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
from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.exceptions import CollectionDoesNotExist
from django_visualsnoop.indexed.options import field_by_label
from django_visualsnoop.outbox.record import SyncRecord, records_of
from django_visualsnoop.outbox.requests import SyncRequest
from django_visualsnoop.sync.drift import record_batches, without_a_row
from django_visualsnoop.sync.listing import Listing, Verdict
from django_visualsnoop.sync.reindex import Tally, fulfil

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from django.db.models import QuerySet

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.sync.reindex import Plan


@dataclass
class Pruned:
    """What pruning did, or under ``dry_run`` would do."""

    listed: int = 0
    #: Listed images that nobody wants.
    images: int = 0
    #: Records whose row, field or collection is gone.
    records: int = 0
    #: Listed ids that were left alone, by verdict.
    left: Counter[Verdict] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)


def prune_listing(
    alias: str, fields: Collection[IndexedField], plan: Plan, pruned: Pruned, *, leftovers: bool
) -> Iterator[int]:
    """Walk what a collection lists and remove what no row wants; yield after each batch.

    What belongs to a field is removed by a wish, so that a row saved meanwhile wins.

    Args:
        alias: alias of the collection.
        fields: the fields whose images may be removed.
        plan: the database, the size of a batch, and how.
        pruned: where to count.
        leftovers: also remove what by its prefix was of a field that is gone.

    Raises:
        VisualSnoopError: the collection did not answer to listing.
    """
    for batch in Listing(alias, using=plan.using).walk(plan.batch_size):
        pruned.listed += len(batch)
        asked: list[SyncRequest] = []
        for listed in batch:
            if listed.field is not None and listed.field in fields:
                pruned.images += 1
                asked.append(SyncRequest(listed.field, listed.object_id, wanted=False))
            elif listed.verdict is Verdict.LEFTOVER and leftovers:
                pruned.images += 1
                _delete(alias, listed.image_id, plan, pruned)
            elif listed.verdict is not Verdict.WANTED:
                pruned.left[listed.verdict] += 1
        _fulfil(asked, plan, pruned)
        yield len(batch)


def prune_records(field: IndexedField, plan: Plan, pruned: Pruned) -> None:
    """Let the records of one field go whose row is gone, and what they left behind."""
    for batch in record_batches(records_of(field, plan.using), size=plan.batch_size):
        gone = without_a_row(field, batch, using=plan.using)
        pruned.records += len(gone)
        _fulfil(
            [SyncRequest(field, record.object_id, wanted=False) for record in gone], plan, pruned
        )


def prune_orphaned(aliases: Collection[str] | None, plan: Plan, pruned: Pruned) -> None:
    """Let the records go whose field the code no longer indexes, or not in their collection.

    Args:
        aliases: only records of these collections.
        plan: the database, the size of a batch, and how.
        pruned: where to count.
    """
    for records in orphaned_records(plan.using, aliases):
        for batch in record_batches(records, size=plan.batch_size):
            pruned.records += len(batch)
            for record in batch:
                removed = _delete(record.collection, record.image_id, plan, pruned)
                if removed and not plan.dry_run:
                    # Unless it is wished again, by code that knows its field.
                    same = records.filter(pk=record.pk, generation=record.generation)
                    retry_when_locked(same.delete, using=plan.using)


def orphaned_records(
    using: str, aliases: Collection[str] | None = None
) -> list[QuerySet[SyncRecord]]:
    """Return the records that no field of the code has any more, by collection and field."""
    records = SyncRecord.objects.using(using)
    found = []
    for alias, model, name in (
        records.order_by().values_list("collection", "model", "field").distinct()
    ):
        known = field_by_label(model, name)
        if (aliases is None or alias in aliases) and (known is None or known.collection != alias):
            found.append(records.filter(collection=alias, model=model, field=name))
    return found


def _fulfil(asked: list[SyncRequest], plan: Plan, pruned: Pruned) -> None:
    if not plan.dry_run:
        fulfil(asked, pruned.tally, using=plan.using, dispatch_only=plan.dispatch_only)


def _delete(alias: str, image_id: str, plan: Plan, pruned: Pruned) -> bool:
    if plan.dry_run:
        return True
    try:
        collections[alias].delete_image(image_id)
    except (NotFoundError, InvalidImageIdError, CollectionDoesNotExist):
        return True  # there is nothing, or nowhere to ask
    except VisualSnoopError as error:
        pruned.tally.failures.add(image_id, str(error))
        return False
    return True
