"""Number committed rows, so that every process can follow the table by number.

A number taken while a row is written would lose rows: the writer of a lower
number may commit after a reader has read past it. So rows commit without a
number; a separate short transaction, which locks the collection's row, then
numbers the committed rows. Writers never wait for one another.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections, transaction
from django.db.models import F, Max

from django_visualsnoop.common.row_locks import lock_rows_by_update
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.engine.models import Collection, IndexedImage, VectorBlock
from django_visualsnoop.engine.storage.not_duplicates import forget_keys
from django_visualsnoop.engine.storage.verdicts import forget_images

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("django_visualsnoop.engine")

#: Rows numbered in one transaction, so that its locks are short.
CHUNK = 500
#: Tombstones are kept this long, so that listings can resume at a deleted image.
TOMBSTONE_SECONDS = 24 * 3600.0
#: How often a process deletes old tombstones.
PURGE_EVERY_SECONDS = 3600.0

_purged: dict[tuple[str, str], float] = {}


def in_transaction(database: str) -> bool:
    connection = connections[database]
    return connection.in_atomic_block or not connection.get_autocommit()


def publish_on_commit(
    database: str, collection_id: str, then: Callable[[str], object] | None = None
) -> None:
    """Number the rows just written on commit; outside of a transaction, number them now.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        then: called with it afterwards.
    """
    if not connections[database].in_atomic_block and in_transaction(database):
        return  # committed by hand: the next writer, or a search, numbers them

    def publish_now() -> None:
        publish(database, collection_id)
        if then is not None:
            then(collection_id)

    transaction.on_commit(publish_now, using=database, robust=True)


def publish(database: str, collection_id: str) -> None:
    """Number the committed rows that have no number. A failure is logged, and harmless."""
    if in_transaction(database):
        return
    try:
        while _publish_chunk(database, collection_id) == CHUNK:
            pass
        _purge_now_and_then(database, collection_id)
    except DatabaseError as error:
        # The process that holds the lock writes here too: the next writer numbers these rows.
        level = logging.INFO if is_lock_error(error) else logging.WARNING
        logger.log(
            level, "Could not number the new images of collection %s: %s", collection_id, error
        )


def _publish_chunk(database: str, collection_id: str) -> int:
    collection = Collection.objects.using(database).filter(pk=collection_id)
    waiting = IndexedImage.objects.using(database).filter(
        collection_id=collection_id, seq__isnull=True
    )
    if not waiting.exists():
        return 0
    skip_locked = connections[database].features.has_select_for_update_skip_locked
    with transaction.atomic(using=database):
        collection.update(seq=F("seq") + 1)  # first, since it takes the lock
        # Don't wait for rows that an open transaction is changing: a later call numbers them.
        ids = list(
            waiting.select_for_update(skip_locked=skip_locked).values_list("pk", flat=True)[:CHUNK]
        )
        number = collection.values_list("seq", flat=True).first()
        IndexedImage.objects.using(database).filter(pk__in=ids).update(seq=number)
    return len(ids)


def _purge_now_and_then(database: str, collection_id: str) -> None:
    now = time.monotonic()
    last = _purged.setdefault((database, collection_id), now)
    if now - last >= PURGE_EVERY_SECONDS:
        _purged[database, collection_id] = now
        purge(database, collection_id)


def purge(database: str, collection_id: str, older_than_seconds: float = TOMBSTONE_SECONDS) -> None:
    """Delete the tombstones below the horizon, then raise the horizon for the next purge.

    In this order no search can miss a tombstone: it reads the horizon before it reads
    the rows, and no search lasts from one purge to the next.
    """
    before = int((time.time() - older_than_seconds) * 1_000_000)
    with transaction.atomic(using=database):
        collection = Collection.objects.using(database).filter(pk=collection_id)
        lock_rows_by_update(collection, "seq")
        tombstones = IndexedImage.objects.using(database).filter(
            collection_id=collection_id, deleted__lt=before, seq__isnull=False
        )
        horizon = collection.values_list("horizon", flat=True).first()
        if horizon is None:
            return
        # Nearly always there are none left: see ``Store.delete``.
        gone = tombstones.filter(seq__lte=horizon)
        forget_images(database, list(gone.values_list("pk", flat=True)))
        forget_keys(database, collection_id, list(gone.values_list("key", flat=True)))
        gone.delete()
        highest = tombstones.aggregate(highest=Max("seq"))["highest"]
        if highest is None:
            return
        collection.update(horizon=highest)
    # Blocks may hold vectors of deleted images; nobody reads blocks below the horizon any more.
    blocks = VectorBlock.objects.using(database).filter(collection_id=collection_id)
    blocks.filter(seq__lt=highest).delete()
