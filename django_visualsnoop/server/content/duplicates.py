"""Groups of duplicates for the pages: cached, and limited to the newest in large collections."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.core.cache import cache
from django.utils import timezone

from django_visualsnoop.server.content import not_duplicates
from django_visualsnoop.server.content.groups import GroupMember, find_groups_touching

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.server.content.images import HostedImages

#: Collections with more images are not compared as a whole while a page waits.
MAX_COMPARED = 20_000
#: In those, the most recently added images are compared with all.
NEWEST = 500
_CACHED_SECONDS = 3600
#: An incomplete result is shown again for this long, and then a request goes on with closer looks.
_INCOMPLETE_FOR = timedelta(seconds=60)


class Duplicates(NamedTuple):
    """What a search for duplicates has found."""

    #: As in ``DuplicateGroups``.
    groups: list[list[GroupMember]]
    complete: bool
    #: The digests of the files of all members.
    digests: Mapping[str, str]
    found_at: datetime


def find_duplicates(images: HostedImages, count: int) -> Duplicates:
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
    cache_key = f"visualsnoop_server:found_duplicates:{state}:{threshold}:{marks}".replace(" ", "")
    found: Duplicates | None = cache.get(cache_key)
    if found is None or not (found.complete or timezone.now() - found.found_at < _INCOMPLETE_FOR):
        found = _find(images, count)
        cache.set(cache_key, found, _CACHED_SECONDS)
    cache.set(_get_last_key(images), cache_key, _CACHED_SECONDS)
    return found


def get_last_duplicates(images: HostedImages, count: int) -> Duplicates:
    """Return what the last call of ``find_duplicates`` has returned for a collection.

    Whoever decides on one group after another changes the collection each time, and need not wait
    for another search.

    Args:
        images: see ``find_duplicates``, which this calls if the cache has lost the result.
        count: likewise.
    """
    found: Duplicates | None = cache.get(cache.get(_get_last_key(images), ""))
    return find_duplicates(images, count) if found is None else found


def _get_last_key(images: HostedImages) -> str:
    return f"visualsnoop_server:last_duplicates:{images.collection.pk}"


def _find(images: HostedImages, count: int) -> Duplicates:
    touching = None
    if count > MAX_COMPARED:
        touching = [stored.image_id for stored in images.store.read_page(None, NEWEST).images]
    found_at = timezone.now()
    groups, complete = find_groups_touching(images, touching)
    details = images.store.read_details(one.image_id for group in groups for one in group)
    digests = {image_id: one.digest for image_id, one in details.items()}
    return Duplicates(groups, complete, digests, found_at)
