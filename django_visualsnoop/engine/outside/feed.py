"""Write the changes of a collection's rows to an index, by their numbers.

``publish`` numbers rows after they are committed. So the index holds only committed rows, and what
a rollback takes away never reached it. A process that stops in the middle repeats at most one
portion, since writing an entry again changes nothing.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.models import Collection, IndexedImage
from django_visualsnoop.engine.outside import states
from django_visualsnoop.engine.outside.entries import read_rows
from django_visualsnoop.engine.outside.writing import write_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_visualsnoop.engine.index.base import OutsideIndex

logger = logging.getLogger("django_visualsnoop.engine")

#: Approximate number of rows written together.
PORTION = 500


class FeedProgress(NamedTuple):
    """How far an index has followed a collection."""

    #: The number up to which the index holds all rows.
    seq: int
    #: How many rows this call has written.
    rows: int


def feed(
    database: str,
    collection_id: str,
    index: OutsideIndex,
    progress: Callable[[FeedProgress], object] | None = None,
) -> bool:
    """Write the rows that an index has not followed, unless another process is writing them.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        index: an index that follows the collection; see ``states.begin``.
        progress: called after each portion.

    Returns:
        Whether the index has followed all rows that had a number when this was called.

    Raises:
        IndexUnavailable: the index cannot be written now.
    """
    while states.lags(database, collection_id, index):
        if not states.acquire_lease(database, collection_id, index):
            return False
        try:
            _feed_all(database, collection_id, index, progress)
        finally:
            states.release_lease(database, collection_id, index)
        # Check again: a process that found the lease taken has left its rows to this one.
    return True


def feed_quietly(database: str, collection_id: str, index: OutsideIndex) -> None:
    """Like ``feed``; if the index is not available, log it: a later call goes on from there."""
    try:
        feed(database, collection_id, index)
    except IndexUnavailable as error:
        logger.warning(
            "Could not write new images of collection %s to the index %s: %s. Searches read them "
            "from the table until the index can be written again.",
            collection_id,
            index.name,
            error,
        )


def _feed_all(
    database: str,
    collection_id: str,
    index: OutsideIndex,
    progress: Callable[[FeedProgress], object] | None,
) -> None:
    collection = Collection.objects.using(database).filter(pk=collection_id)
    rows = IndexedImage.objects.using(database).filter(collection_id=collection_id)
    seq, written = states.read_states(database, collection_id)[index.name].seq, 0
    while (current := collection.values_list("seq", flat=True).first() or 0) > seq:
        numbers = list(
            rows.filter(seq__gt=seq).order_by("seq").values_list("seq", flat=True)[:PORTION]
        )
        # Without rows, those with the highest numbers were deleted for good.
        last = numbers[-1] if numbers else current
        assert last is not None
        portion = rows.filter(seq__gt=seq, seq__lte=last)
        with transaction.atomic(using=database) if index.transactional else nullcontext():
            written += write_rows(collection_id, index, rows, read_rows(portion))
            states.advance(database, collection_id, index, last)
        seq = last
        if progress is not None:
            progress(FeedProgress(seq, written))
