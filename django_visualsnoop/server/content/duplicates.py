"""Groups of copies as the pages show them: remembered, and of large collections the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.cache import cache

from django_visualsnoop.engine.models import Collection
from django_visualsnoop.server.content import not_duplicates
from django_visualsnoop.server.content.groups import groups_touching
from django_visualsnoop.server.models import database

if TYPE_CHECKING:
    from django_visualsnoop.server.content.groups import Groups
    from django_visualsnoop.server.content.images import HostedImages

#: A collection of more images is not compared as a whole while a page waits.
MAX_COMPARED = 20_000
#: Then those that were added last are compared with all.
NEWEST = 500
_REMEMBERED = 3600


def groups(images: HostedImages, count: int) -> Groups:
    """Return the groups of copies.

    What was found is remembered until the collection changes.

    Args:
        images: of the collection.
        count: how many there are; of more than ``MAX_COMPARED``, only groups with one of the
            ``NEWEST`` are found.
    """
    threshold = images.collection.min_similarity
    rows = Collection.objects.using(database()).filter(key=images.store.key)
    state = rows.values_list("pk", "seq").first()
    apart = not_duplicates.state(images.collection.pk)
    remembered = f"visualsnoop_server:groups:{state}:{threshold}:{apart}".replace(" ", "")
    found: Groups | None = cache.get(remembered)
    if found is None:
        found = _found(images, count)
        cache.set(remembered, found, _REMEMBERED)
    return found


def _found(images: HostedImages, count: int) -> Groups:
    touching = None
    if count > MAX_COMPARED:
        touching = [stored.image_id for stored in images.store.page(None, NEWEST).images]
    return groups_touching(images, touching)
