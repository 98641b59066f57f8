"""How much a key and a collection may use.

In the database, not in Django's cache: the default cache is each process's own, and a service of
several processes would allow so many times as much.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db.models import F, Value
from django.db.models.functions import Greatest

from django_visualsnoop.engine.exceptions import ImageMissing
from django_visualsnoop.server.answers import Refused
from django_visualsnoop.server.models import HostedCollection, Key, database

if TYPE_CHECKING:
    from django_visualsnoop.engine.store import Store

_MINUTE = 60_000_000  # microseconds


def spend_request(key: Key) -> None:
    """Count a request against its key's limit; costs a statement only where there is one.

    Each request pays for its share of a minute, and at most a minute is owed: a key that has
    rested may send its whole number at once, then one each share. (The generic cell rate
    algorithm of ITU-T I.371.) One statement decides, so requests at once do not slip through.

    Raises:
        Refused: 429, with the seconds to wait in ``Retry-After``.
    """
    limit = key.collection.requests_per_minute
    if limit is None:
        return
    share = _MINUTE // limit
    now = time.time_ns() // 1000
    latest = now + _MINUTE - share
    rows = Key.objects.using(database()).filter(pk=key.pk)
    paid_until = Greatest(F("paid_until"), Value(now)) + Value(share)
    if rows.filter(paid_until__lte=latest).update(paid_until=paid_until):
        return
    owed = rows.values_list("paid_until", flat=True).first() or latest
    seconds = max(1, -(-(owed - latest) // 1_000_000))
    raise Refused(
        429,
        f"This key may send {limit} requests per minute. Try again in {seconds} s.",
        {"Retry-After": str(seconds)},
    )


def require_room(collection: HostedCollection, store: Store, image_id: str) -> None:
    """Make sure that one more image fits into a collection; call it in the writing transaction.

    It locks the collection's row, where there is a limit, so that of two images for the last
    place only one gets it.

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
    HostedCollection.objects.using(database()).filter(pk=collection.pk).update(name=F("name"))
    try:
        store.get(image_id)
    except ImageMissing:
        if store.count() >= limit:
            raise Refused(
                429,
                f"The collection is full: it may hold {limit:,} images. Delete some, or ask the "
                "service's operator for more.",
            ) from None
