"""Groups of copies in a collection, without the pairs that someone has called none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from django_visualsnoop.grouping import Link, grouped
from django_visualsnoop.server import not_duplicates
from django_visualsnoop.server.answers import Refused
from django_visualsnoop.server.not_duplicates import Pair

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from django_visualsnoop.engine.gallery import Gallery
    from django_visualsnoop.server.images import HostedImages

#: By a ``Pair`` of ids.
Links: TypeAlias = dict[tuple[str, str], Link]

#: Comparing more with each other takes longer than a request may.
MAX_IMAGES = 100_000
#: Images that one image's group may have.
MAX_MEMBERS = 1000


class Member(NamedTuple):
    image_id: str
    #: To the one of the group that it resembles most.
    rank: int
    similarity: float


def all_groups(images: HostedImages, min_similarity: float | None) -> list[list[Member]]:
    """Return groups of two or more images, the one with the closest pair first.

    Args:
        images: of the collection.
        min_similarity: 0 to 1, of a link; the collection's threshold if ``None``.

    Raises:
        Refused: 400, the collection has more than ``MAX_IMAGES`` images.
    """
    count = images.store.count()
    if count > MAX_IMAGES:
        raise Refused(
            400,
            f"The collection has {count:,} images; groups of all are found among at most "
            f"{MAX_IMAGES:,}. Ask for the group of one by image_id.",
        )
    return groups_touching(images, None, min_similarity)


def groups_touching(
    images: HostedImages, touching: Collection[str] | None, min_similarity: float | None = None
) -> list[list[Member]]:
    """Return the groups by links of which one end is among some ids, or by all of them.

    Args:
        images: of the collection.
        touching: the ids; all if ``None``.
        min_similarity: see ``all_groups``.
    """
    return _groups(images, _links(images.gallery, min_similarity, touching))


def group_of(
    images: HostedImages, image_id: str, min_similarity: float | None
) -> list[list[Member]]:
    """Return the group that one image is in, if it is in one; see ``all_groups``.

    Raises:
        ImageMissing: there is no such image.
    """
    images.store.get(image_id)
    links: Links = {}
    seen: set[str] = set()
    ahead = {image_id}
    while ahead and len(seen) < MAX_MEMBERS:
        seen |= ahead
        found = _links(images.gallery, min_similarity, ahead)
        links |= found
        ahead = {one for pair in found for one in pair} - seen
    groups = _groups(images, links)
    return [group for group in groups if any(member.image_id == image_id for member in group)]


def _links(
    gallery: Gallery, min_similarity: float | None, touching: Collection[str] | None
) -> Links:
    return {
        Pair(pair.first_id, pair.second_id): Link(pair.rank, pair.similarity, ("", ""))
        for pair in gallery.pairs(min_similarity, touching)
    }


def _groups(images: HostedImages, links: Links) -> list[list[Member]]:
    ids = {image_id for pair in links for image_id in pair}
    apart: dict[str, set[str]] = {}
    for pair in not_duplicates.remembered(images.collection.pk, images.store, ids):
        links.pop(pair, None)
        apart.setdefault(pair.first_id, set()).add(pair.second_id)
        apart.setdefault(pair.second_id, set()).add(pair.first_id)
    groups = grouped(links)
    number_of = {image_id: number for number, group in enumerate(groups) for image_id in group}
    within: list[Links] = [{} for _ in groups]
    for (one, other), link in links.items():
        number = number_of.get(one)
        if number is not None and number == number_of.get(other):
            within[number][one, other] = link
    made = [
        _members(part, inside)
        for group, inside in zip(groups, within, strict=True)
        for part in _parted(group, inside, apart)
    ]
    return sorted(made, key=lambda group: (group[0].rank, -len(group), group[0].image_id))


def _parted(
    group: set[str], links: Links, apart: Mapping[str, set[str]]
) -> Iterable[frozenset[str]]:
    """Return a group in parts, none of which holds two images that are to be apart.

    The closest are joined first, so a chain between two such images breaks where it is weakest.
    """
    if all(apart.get(image_id, group).isdisjoint(group) for image_id in group & apart.keys()):
        return [frozenset(group)]
    part_of = {image_id: frozenset((image_id,)) for image_id in group}
    for (one_id, other_id), _ in sorted(links.items(), key=lambda item: (item[1].rank, item[0])):
        one, other = part_of[one_id], part_of[other_id]
        if one != other and all(other.isdisjoint(apart.get(here, ())) for here in one):
            part_of |= dict.fromkeys(one | other, one | other)
    return [part for part in set(part_of.values()) if len(part) > 1]


def _members(group: frozenset[str], links: Links) -> list[Member]:
    closest: dict[str, Member] = {}
    for pair, link in links.items():
        if not group.issuperset(pair):
            continue
        for image_id in pair:
            if image_id not in closest or link.rank < closest[image_id].rank:
                closest[image_id] = Member(image_id, link.rank, link.similarity or 0.0)
    return sorted(closest.values(), key=lambda member: (member.rank, member.image_id))
