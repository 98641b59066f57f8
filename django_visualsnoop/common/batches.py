"""Take many values a batch at a time."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from django_visualsnoop.common.transactions import retry_when_locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from django.db.models import QuerySet

_T = TypeVar("_T")
_Found = TypeVar("_Found")


def batched(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield the values in lists of ``size``; the last list may be shorter."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch


def read_within(
    values: Sequence[_T], read: Callable[[list[_T]], list[_Found]], *, size: int, seconds: float
) -> list[_Found]:
    """Return what ``read`` returns for batches of values, until the time is over."""
    deadline = time.monotonic() + seconds
    found: list[_Found] = []
    for batch in batched(values, size):
        if time.monotonic() > deadline:
            break
        found += read(batch)
    return found


def iter_batches(
    rows: QuerySet[Any], *columns: str, size: int, after: Any = None
) -> Iterator[list[Any]]:
    """Yield the rows of a QuerySet in the order of their primary keys, one query per batch.

    Each query starts after the last key. So memory stays constant, the millionth row costs no more
    than the first, and other processes may insert and delete rows meanwhile.

    Args:
        rows: a QuerySet without an order.
        columns: yield tuples of the primary key and these columns; instances if there are none.
        size: rows per batch.
        after: start after this primary key.
    """
    ordered = rows.order_by("pk")
    while True:
        rest = ordered if after is None else ordered.filter(pk__gt=after)
        page = rest.values_list("pk", *columns) if columns else rest
        batch: list[Any] = retry_when_locked(partial(list, page[:size]), using=rows.db)
        if batch:
            yield batch
        if len(batch) < size:
            return
        after = batch[-1][0] if columns else batch[-1].pk
