"""The rows that say how far indexes have followed a collection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F

from django_visualsnoop.engine.models import Collection, OutsideIndexState

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_visualsnoop.engine.index.base import OutsideIndex

#: A process that writes entries renews its lease with each portion; after this many seconds
#: without, another one may go on.
LEASE_SECONDS = 60.0


class IndexState(NamedTuple):
    """What ``OutsideIndexState`` says of an index."""

    name: str
    version: int
    #: The index holds the state of all rows with numbers up to this one.
    seq: int
    complete: bool
    #: Primary key of the last row whose entry was compared with it; 0 to begin anew.
    compared_row: int


def read_states(database: str, collection_id: str) -> dict[str, IndexState]:
    """Return the states of a collection's indexes, by name."""
    rows = OutsideIndexState.objects.using(database).filter(collection_id=collection_id)
    return {row[0]: IndexState(*row) for row in rows.values_list(*IndexState._fields)}


def begin(
    database: str, collection_id: str, index: OutsideIndex, *, complete: bool = False
) -> None:
    """Let an index follow a collection from the first row on, unless it does.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        index: the index.
        complete: whether searches may use it at once.
    """
    rows = _select(database, collection_id, index)
    values = {"version": index.version, "seq": 0, "complete": complete}
    if rows.exclude(version=index.version).update(**values) or rows.exists():
        return
    try:
        with transaction.atomic(using=database):
            rows.create(collection_id=collection_id, name=index.name, **values)
    except IntegrityError:
        return  # another process was faster


def mark_complete(database: str, collection_id: str, index: OutsideIndex) -> None:
    """Let searches use an index."""
    _select(database, collection_id, index).update(complete=True)


def advance(database: str, collection_id: str, index: OutsideIndex, seq: int) -> None:
    """Record that an index holds all rows up to a number; renew the lease."""
    rows = _select(database, collection_id, index).filter(seq__lte=seq)
    rows.update(seq=seq, leased_at=_read_clock())


def note_compared(database: str, collection_id: str, index: OutsideIndex, row_id: int) -> None:
    """Record up to which row entries were compared; 0 if all were."""
    _select(database, collection_id, index).update(compared_row=row_id)


def end(database: str, collection_id: str, name: str) -> None:
    """Let an index no longer follow a collection."""
    rows = OutsideIndexState.objects.using(database)
    rows.filter(collection_id=collection_id, name=name).delete()


def acquire_lease(database: str, collection_id: str, index: OutsideIndex) -> bool:
    """Return whether this process alone may write entries for now."""
    now = _read_clock()
    rows = _select(database, collection_id, index)
    free = rows.filter(leased_at__lt=now - int(LEASE_SECONDS * 1_000_000), version=index.version)
    return bool(free.update(leased_at=now))


def release_lease(database: str, collection_id: str, index: OutsideIndex) -> None:
    _select(database, collection_id, index).update(leased_at=0)


def lags(database: str, collection_id: str, index: OutsideIndex) -> bool:
    """Return whether the collection has numbers that the index has not followed."""
    rows = Collection.objects.using(database).filter(pk=collection_id)
    behind = rows.filter(
        outside_indexes__name=index.name,
        outside_indexes__version=index.version,
        outside_indexes__seq__lt=F("seq"),
    )
    return behind.exists()


def _select(database: str, collection_id: str, index: OutsideIndex) -> QuerySet[OutsideIndexState]:
    return OutsideIndexState.objects.using(database).filter(
        collection_id=collection_id, name=index.name
    )


def _read_clock() -> int:
    return int(time.time() * 1_000_000)
