"""How large a collection is, and when it last changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Length

from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
from django_visualsnoop.engine.storage.times import moment
from django_visualsnoop.server.models import StoredPicture, database

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django_visualsnoop.server.models import HostedCollection

#: Seconds; counting looks at each row, and what was counted holds until the next change.
_CACHED_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Usage:
    images: int = 0
    #: When an image was last added, replaced or deleted.
    changed: datetime | None = None
    #: Of descriptors, in the database, and of pictures, in the storage.
    bytes: int = 0


def get_usages(collections: Iterable[HostedCollection]) -> dict[str, Usage]:
    """Return the usage of each collection, by its id.

    Two queries for all, and one for each that has changed since it was last counted.
    """
    by_key = {key_of(hosted.gallery_name): hosted.pk for hosted in collections}
    found = Collection.objects.using(database()).filter(key__in=list(by_key))
    counted: dict[str, dict[str, Any]] = {}
    for key, engine_id, seq in found.values_list("key", "pk", "seq"):
        cache_key = f"visualsnoop_server:{engine_id}:{seq}"
        counts = cache.get(cache_key)
        if counts is None:
            counts = _count_images(engine_id)
            cache.set(cache_key, counts, _CACHED_SECONDS)
        counted[by_key[key]] = counts
    pictures = dict(
        StoredPicture.objects.using(database())
        .filter(collection__in=list(by_key.values()))
        .order_by()
        .values_list("collection")
        .annotate(Sum("bytes"))
    )
    return {pk: _make_usage(counted.get(pk), pictures.get(pk) or 0) for pk in by_key.values()}


def get_usage(collection: HostedCollection) -> Usage:
    """Return the usage of one collection."""
    return get_usages([collection])[collection.pk]


def _count_images(engine_id: str) -> dict[str, Any]:
    rows = IndexedImage.objects.using(database()).filter(collection=engine_id)
    live = Q(deleted__isnull=True)
    return rows.aggregate(
        images=Count("pk", filter=live),
        bytes=Sum(Length("vector"), filter=live),
        added=Max("image_time"),
        deleted=Max("deleted"),
    )


def _make_usage(counts: dict[str, Any] | None, of_pictures: int) -> Usage:
    if counts is None:
        return Usage(bytes=of_pictures)
    latest = max(counts["added"] or 0, counts["deleted"] or 0)
    changed = moment(latest) if latest else None
    return Usage(counts["images"], changed, (counts["bytes"] or 0) + of_pictures)
