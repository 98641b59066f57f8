"""The sync status of each field, in a constant number of queries per field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Min
from django.utils import timezone

from django_visualsnoop.collections import collections
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.indexed.rows import with_picture
from django_visualsnoop.outbox.record import SyncRecord, records_of
from django_visualsnoop.sync.prune import orphaned_records
from django_visualsnoop.sync.unrecorded import unrecorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from django.db.models import QuerySet

    from django_visualsnoop.collections.base import BaseCollection


_State = SyncRecord.State
_FAILED = SyncRecord.in_state(_State.RETRYING) | SyncRecord.in_state(_State.FAILED)


@dataclass(frozen=True)
class Reason:
    """A failure reason: how many records have it, and an example."""

    code: str
    count: int
    image_id: str
    reason: str


@dataclass(frozen=True)
class FieldStatus:
    """The status of one indexed field in one collection."""

    model: str
    field: str
    collection: str
    #: Rows with a picture; ``None`` if the code no longer indexes the field.
    rows: int | None
    in_sync: int
    waiting: int
    retrying: int
    failed: int
    #: When the oldest pending sync was requested; permanently failed ones do not count.
    oldest_pending: datetime | None
    reasons: tuple[Reason, ...]
    #: At least this many rows have a picture but no record.
    unrecorded: int = 0

    @property
    def oldest_pending_age(self) -> float | None:
        """Seconds since the oldest pending sync was requested."""
        if self.oldest_pending is None:
            return None
        return max(0.0, (timezone.now() - self.oldest_pending).total_seconds())


def statuses(using: str) -> list[FieldStatus]:
    """Return the status of every indexed field, then of fields that only records name.

    This executes up to nine queries per field, plus two.
    """
    fields = sorted(all_indexed_fields(), key=str)
    missing = {one.field: one.count for one in unrecorded(using, fields)}
    found = [
        _status(
            records_of(field, using),
            field.label,
            field.name,
            field.collection,
            rows=with_picture(field, using).count(),
            unrecorded=missing.get(field, 0),
        )
        for field in fields
    ]
    for records in orphaned_records(using):
        one = records.values_list("model", "field", "collection")[0]
        found.append(_status(records, *one, rows=None))
    return found


def failing(using: str) -> Iterator[SyncRecord]:
    """Yield the records whose last attempt failed, whether they will be retried or not."""
    records = SyncRecord.objects.using(using).filter(_FAILED).exclude(reason_code="")
    yield from records.order_by("collection", "model", "field", "pk").iterator()


def without_embedding(fields: Iterable[FieldStatus]) -> dict[str, int]:
    """Return, per collection of these fields, how many images have no embedding.

    The result omits collections without such images, and collections that raise an error.
    """
    return _count(fields, lambda collection: collection.count_without_embedding())


def outdated(fields: Iterable[FieldStatus]) -> dict[str, int]:
    """Return how many images an older version described; see ``without_embedding``."""
    return _count(fields, lambda collection: collection.count_outdated())


def _count(
    fields: Iterable[FieldStatus], count_in: Callable[[BaseCollection], int]
) -> dict[str, int]:
    found = {}
    for alias in sorted({field.collection for field in fields}):
        try:
            count = count_in(collections[alias])
        except Exception as error:  # a backend may raise anything; health() reports it
            if is_interruption(error):
                raise
            continue
        if count:
            found[alias] = count
    return found


def _status(
    records: QuerySet[SyncRecord],
    model: str,
    field: str,
    collection: str,
    *,
    rows: int | None,
    unrecorded: int = 0,
) -> FieldStatus:
    in_state = SyncRecord.in_state
    counted = records.aggregate(
        in_sync=Count("pk", filter=in_state(_State.IN_SYNC)),
        waiting=Count("pk", filter=in_state(_State.WAITING)),
        retrying=Count("pk", filter=in_state(_State.RETRYING)),
        failed=Count("pk", filter=in_state(_State.FAILED)),
        oldest_pending=Min("requested_at", filter=SyncRecord.in_progress()),
    )
    states = ("in_sync", "waiting", "retrying", "failed")
    # No two rows share a record.
    fewest = (rows or 0) - sum(counted[state] for state in states)
    return FieldStatus(
        model,
        field,
        collection,
        rows=rows,
        **counted,
        reasons=_reasons(records),
        unrecorded=max(unrecorded, fewest),
    )


def _reasons(records: QuerySet[SyncRecord]) -> tuple[Reason, ...]:
    failed = records.filter(_FAILED).exclude(reason_code="")
    groups = list(
        failed.order_by()
        .values_list("reason_code")
        .annotate(count=Count("pk"), example=Min("image_id"))
    )
    examples = failed.filter(image_id__in=[example for _, _, example in groups])
    reasons = {record.image_id: record.reason for record in examples}
    found = (Reason(code, n, example, reasons.get(example, "")) for code, n, example in groups)
    return tuple(sorted(found, key=lambda reason: (-reason.count, reason.code)))
