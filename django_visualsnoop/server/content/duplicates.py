"""Groups of duplicates for the pages: cached, and limited to the newest in large collections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.cache import cache

from django_visualsnoop.server.content import not_duplicates
from django_visualsnoop.server.content.groups import find_groups_touching

if TYPE_CHECKING:
    from django_visualsnoop.server.content.groups import DuplicateGroups
    from django_visualsnoop.server.content.images import HostedImages

#: Collections with more images are not compared as a whole while a page waits.
MAX_COMPARED = 20_000
#: In those, the most recently added images are compared with all.
NEWEST = 500
_CACHED_SECONDS = 3600
#: An incomplete result is shown again for this long, and then a request goes on with closer looks.
_CACHED_INCOMPLETE_SECONDS = 60


def find_duplicates(images: HostedImages, count: int) -> DuplicateGroups:
    """Return the groups of duplicates.

    This caches the result until the collection changes.

    Args:
        images: the images of the collection.
        count: the number of images; above ``MAX_COMPARED``, this finds only groups with one of the
            ``NEWEST``.
    """
    threshold = images.collection.min_similarity
    version = images.store.version()
    state = None if version is None else (version.collection_id, version.seq)
    marks = not_duplicates.get_version(images)
    cache_key = f"visualsnoop_server:duplicates:{state}:{threshold}:{marks}".replace(" ", "")
    found: DuplicateGroups | None = cache.get(cache_key)
    if found is None:
        found = _find(images, count)
        seconds = _CACHED_SECONDS if found.complete else _CACHED_INCOMPLETE_SECONDS
        cache.set(cache_key, found, seconds)
    return found


def _find(images: HostedImages, count: int) -> DuplicateGroups:
    touching = None
    if count > MAX_COMPARED:
        touching = [stored.image_id for stored in images.store.read_page(None, NEWEST).images]
    return find_groups_touching(images, touching)
