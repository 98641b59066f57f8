"""Rows that a database finds by a different spelling of their key.

MariaDB and MySQL treat ``"ABC"`` and ``"abc"`` as equal unless a column says otherwise; other
databases do if a column has such a collation. A row that was changed or deleted as ``"ABC"`` may
have its image under ``"abc"``. Only the database knows, and a save does not query it, so the worker
does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections
from django.db.models import Q

from django_visualsnoop.outbox.record import records_of
from django_visualsnoop.outbox.requests import SyncRequest, request_sync

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.outbox.record import SyncRecord


def request_other_spellings(
    field: IndexedField, records: Iterable[SyncRecord], found: Collection[str], *, using: str
) -> set[str]:
    """Request a sync of the rows that these records identify by another spelling.

    Args:
        field: the image field of the records.
        records: the records that a worker processes.
        found: the keys, as text, of the rows that the database found for them.
        using: alias of the database that stores rows and records.

    Returns:
        The ids of the requested records, which the caller processes.
    """
    if not field.may_be_spelled_otherwise(using):
        return set()
    by_key = {record.object_id: record for record in records}
    others = set(found).difference(by_key)
    # A record that was in sync once has the row's own spelling. So ordinary deletions skip the
    # query below, which uses no index.
    unknown = [key for key, one in by_key.items() if key not in found and one.applied is None]
    if unknown:
        others |= _recorded(field, unknown, using).difference(by_key)
    requests = [SyncRequest(field, object_id) for object_id in sorted(others)]
    return {str(one) for one in request_sync(requests, using=using, dispatch=False)}


def _recorded(field: IndexedField, object_ids: list[str], using: str) -> set[str]:
    """Return the keys, in every spelling, that have records; one query."""
    if connections[using].vendor == "mysql":
        same = Q(object_id__in=object_ids)  # this column's collation ignores case, too
    else:
        same = Q(*(("object_id__iexact", one) for one in object_ids), _connector=Q.OR)
    return set(records_of(field, using).filter(same).values_list("object_id", flat=True))
