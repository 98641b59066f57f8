"""The limits of keys and collections.

These are counted in the database. Django's default cache belongs to one process, so a service with
several processes would allow several times as much.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db.models import F, Value
from django.db.models.functions import Greatest

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.exceptions import ImageMissing
from django_visualsnoop.server import transactions
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import Key, database

if TYPE_CHECKING:
    from django_visualsnoop.engine.storage.store import Store
    from django_visualsnoop.server.models import HostedCollection

_MINUTE = 60_000_000  # microseconds
_DAY = 24 * 60 * _MINUTE


def throttle_request(key: Key) -> None:
    """Count a request against its key's limit; costs a statement only where there is one.

    Raises:
        Refused: 429, with the seconds to wait in ``Retry-After``.
    """
    limit = key.collection.requests_per_minute
    if limit is not None:
        what = f"send {limit} requests per minute"
        _throttle(key, "requests_used_until", _MINUTE // limit, _MINUTE, what)


def throttle_upload(key: Key, length: int) -> None:
    """Count an upload against its key's limit; costs a statement only where there is one.

    Args:
        key: its collection's limit counts.
        length: bytes, before anything is decoded.

    Raises:
        Refused: 429, with the seconds to wait in ``Retry-After``; without it if the upload is
            longer than a day's bytes, since waiting does not help.
    """
    limit = key.collection.bytes_per_day
    if limit is None or not length:
        return
    what = f"upload {limit:,} bytes per day"
    if length > limit:
        raise Refused(429, f"This key may {what}; this upload has {length:,}.")
    _throttle(key, "bytes_used_until", length * _DAY // limit, _DAY, what)


def _throttle(key: Key, column: str, share: int, period: int, what: str) -> None:
    """Count use of a key against a limit, or refuse it.

    The generic cell rate algorithm of ITU-T I.371: each use takes its share of the period, and a
    key may be ahead of the clock by at most one period. A key that has rested may use the whole
    limit at once, then as much as each moment allows. One statement decides, so requests at once
    do not slip through.

    Args:
        key: that is used.
        column: up to when the limit is used, in microseconds since 1970.
        share, period: microseconds.
        what: it may do, for the message.
    """
    now = time.time_ns() // 1000
    latest = now + period - share
    rows = Key.objects.using(database()).filter(pk=key.pk)
    used_until = Greatest(F(column), Value(now)) + Value(share)

    def count_use() -> int:
        return rows.filter(**{f"{column}__lte": latest}).update(**{column: used_until})

    if retry_when_locked(count_use, using=database(), patience=transactions.PATIENCE):
        return
    present = rows.values_list(column, flat=True).first() or latest
    seconds = max(1, -(-(present - latest) // 1_000_000))
    raise Refused(
        429,
        f"This key may {what}. Try again in {seconds} s.",
        {"Retry-After": str(seconds)},
    )


def require_room(collection: HostedCollection, store: Store, image_id: str) -> None:
    """Make sure that one more image fits into a collection.

    Call it in the writing transaction, and where there is a limit, once that has locked the
    collection alone; see ``transactions.lock_collection``.

    Args:
        collection: whose limit counts.
        store: of its images.
        image_id: no place is needed if it has one.

    Raises:
        Refused: 429, without ``Retry-After``: waiting does not help.
    """
    limit = collection.max_images
    if limit is None:
        return
    try:
        store.get(image_id)
    except ImageMissing:
        if store.count() >= limit:
            raise _refuse_full(limit) from None


def require_room_for(collection: HostedCollection, store: Store, more: int) -> None:
    """Make sure that so many more images fit into a collection; see ``require_room``."""
    limit = collection.max_images
    if limit is None:
        return
    if more and store.count() + more > limit:
        raise _refuse_full(limit)


def _refuse_full(limit: int) -> Refused:
    return Refused(
        429,
        f"The collection is full: it may hold {limit:,} images. Delete some, or ask the "
        "administrator of the server for a higher limit.",
    )
