"""Groups of copies among the images of a hosted collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.cache import cache

from django_visualsnoop.engine.models import Collection
from django_visualsnoop.grouping import Link, grouped
from django_visualsnoop.server.models import database

if TYPE_CHECKING:
    from django_visualsnoop.server.images import HostedImages

#: A collection of more images is not compared as a whole while a page waits.
MAX_COMPARED = 20_000
#: Then those that were added last are compared with all.
NEWEST = 500
_REMEMBERED = 3600


@dataclass(frozen=True, slots=True)
class Member:
    """One image of a group, and how close it comes to the one that it resembles most."""

    image_id: str
    #: 0 to 1.
    similarity: float


def groups(images: HostedImages, count: int) -> list[list[Member]]:
    """Return the groups of copies, the one with the closest pair first.

    What was found is remembered until the collection changes.

    Args:
        images: of the collection.
        count: how many there are; of more than ``MAX_COMPARED``, only groups with one of the
            ``NEWEST`` are found.
    """
    threshold = images.collection.min_similarity
    rows = Collection.objects.using(database()).filter(key=images.store.key)
    state = rows.values_list("pk", "seq").first()
    remembered = f"visualsnoop_server:copies:{state}:{threshold}".replace(" ", "")
    found: list[list[Member]] | None = cache.get(remembered)
    if found is None:
        found = _found(images, count)
        cache.set(remembered, found, _REMEMBERED)
    return found


def _found(images: HostedImages, count: int) -> list[list[Member]]:
    touching = None
    if count > MAX_COMPARED:
        touching = [stored.image_id for stored in images.store.page(None, NEWEST).images]
    links = {
        (pair.first_id, pair.second_id): Link(pair.rank, pair.similarity, ("", ""))
        for pair in images.gallery.pairs(touching=touching)
    }
    parts = grouped(links)
    number_of = {image_id: number for number, part in enumerate(parts) for image_id in part}
    closest: dict[str, Link] = {}
    for (one, other), link in links.items():
        # A link to an image of another group is none that this group shows.
        if number_of.get(one, -1) == number_of.get(other, -2):
            for image_id in (one, other):
                if image_id not in closest or link.rank < closest[image_id].rank:
                    closest[image_id] = link
    ordered = [sorted(part, key=lambda one: (closest[one].rank, one)) for part in parts]
    ordered.sort(key=lambda part: (closest[part[0]].rank, -len(part), part[0]))
    return [[Member(one, closest[one].similarity or 0.0) for one in part] for part in ordered]
