"""The size of a collection, and the time of its last change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.cache import cache
from django.db.models import Sum

from django_visualsnoop.engine.storage.reading import versions
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.engine.storage.times import to_datetime
from django_visualsnoop.server.models import StoredPicture, database

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django_visualsnoop.engine.storage.values import StoredUsage, Version
    from django_visualsnoop.server.models import HostedCollection

#: Seconds; counting reads every row, and a count is valid until the next change.
_CACHED_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Usage:
    images: int = 0
    #: The time when an image was last added, replaced or deleted.
    changed: datetime | None = None
    #: The size of descriptors in the database, and of pictures in the storage.
    bytes: int = 0


def get_usages(collections: Iterable[HostedCollection]) -> dict[str, Usage]:
    """Return the usage of each collection, by its id.

    This executes two queries for all, and one for each collection that changed since its last
    count.
    """
    name_of = {hosted.pk: hosted.gallery_name for hosted in collections}
    found = versions(database(), name_of.values())
    counted = {
        pk: _count_images(name, found[name]) for pk, name in name_of.items() if name in found
    }
    pictures = dict(
        StoredPicture.objects.using(database())
        .filter(collection__in=list(name_of))
        .order_by()
        .values_list("collection")
        .annotate(Sum("bytes"))
    )
    return {pk: _make_usage(counted.get(pk), pictures.get(pk) or 0) for pk in name_of}


def get_usage(collection: HostedCollection) -> Usage:
    """Return the usage of one collection."""
    return get_usages([collection])[collection.pk]


def _count_images(name: str, version: Version) -> StoredUsage:
    cache_key = f"visualsnoop_server:usage:{version.collection_id}:{version.seq}"
    counts: StoredUsage | None = cache.get(cache_key)
    if counts is None:
        counts = Store(database(), name).usage()
        cache.set(cache_key, counts, _CACHED_SECONDS)
    return counts


def _make_usage(counts: StoredUsage | None, of_pictures: int) -> Usage:
    if counts is None:
        return Usage(bytes=of_pictures)
    changed = None if counts.changed is None else to_datetime(counts.changed)
    return Usage(counts.images, changed, counts.bytes + of_pictures)
