"""Groups of duplicates in a collection, without pairs marked as not duplicates."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from django_visualsnoop.common.clustering import Link, grouped, list_links_within
from django_visualsnoop.engine.pairs import add_similarities
from django_visualsnoop.server.content import not_duplicates, pictures
from django_visualsnoop.server.content.not_duplicates import ImagePair
from django_visualsnoop.server.exceptions import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from django_visualsnoop.engine.pairs import FoundPair, PairFinder
    from django_visualsnoop.server.content.images import HostedImages

#: The links, by a ``Pair`` of ids.
Links: TypeAlias = dict[tuple[str, str], Link]

#: Comparing more images with each other takes longer than a request may.
MAX_IMAGES = 100_000
#: The number of pairs that one request compares, closest first. Each takes about three
#: milliseconds.
MAX_COMPARISONS = 10_000
#: The number of pairs of retained originals that one request looks closer at, and the seconds for
#: all of them. The next request goes on.
MAX_LOOKS, LOOKING_SECONDS = 100, 5.0
#: The number of images of a group that a request searches by. Each search takes about ten
#: milliseconds.
MAX_SEARCHES = 100
#: The number of closest images that each search compares, so that a few images find a large group.
_CLOSEST = 250


class GroupMember(NamedTuple):
    image_id: str
    #: Rank and similarity relate to the most similar image of the group.
    rank: int
    similarity: float


class DuplicateGroups(NamedTuple):
    """Groups of two or more images. The group with the closest pair comes first."""

    groups: list[list[GroupMember]]
    #: Whether all possible copies were compared; those that were not are less close.
    complete: bool


def find_all_groups(images: HostedImages, min_similarity: float | None) -> DuplicateGroups:
    """Return the groups of a collection.

    Args:
        images: the images of the collection.
        min_similarity: the threshold of a link, 0 to 1; the collection's own if ``None``.

    Raises:
        Refused: 400, the collection has more than ``MAX_IMAGES`` images.
    """
    count = images.store.count()
    if count > MAX_IMAGES:
        raise Refused(
            400,
            f"The collection has {count:,} images; the server groups at most {MAX_IMAGES:,}. To "
            "get the group of one image, use image_id.",
        )
    return find_groups_touching(images, None, min_similarity)


def find_groups_touching(
    images: HostedImages, touching: Collection[str] | None, min_similarity: float | None = None
) -> DuplicateGroups:
    """Return the groups that result from the links of some ids, or from all links.

    Args:
        images: the images of the collection.
        touching: the ids; all links if ``None``.
        min_similarity: see ``find_all_groups``.
    """
    with closing(_Grouping(images)) as known:
        finder = known.finder(min_similarity)
        if finder is None:
            return DuplicateGroups([], complete=True)
        links = _read_links(
            finder.find_all() if touching is None else finder.find_touching(touching)
        )
        return DuplicateGroups(known.groups(links), finder.complete and known.complete)


def find_group(
    images: HostedImages, image_id: str, min_similarity: float | None
) -> DuplicateGroups:
    """Return the group of one image, if it has one; see ``find_all_groups``.

    The group is complete if it has at most ``MAX_SEARCHES`` images.

    Raises:
        ImageMissing: the image does not exist.
    """
    images.store.get(image_id)
    links: Links = {}
    seen: set[str] = set()
    ahead = {image_id}
    with closing(_Grouping(images)) as known:
        finder = known.finder(min_similarity)
        if finder is None:
            return DuplicateGroups([], complete=True)
        while ahead and len(seen) < MAX_SEARCHES:
            some = sorted(ahead)[: MAX_SEARCHES - len(seen)]
            seen.update(some)
            found = _read_links(finder.find_touching(some, closest=_CLOSEST))
            links |= found
            ahead = (ahead | {one for pair in found for one in pair}) - seen
        groups = known.groups(links)
    own = [group for group in groups if any(member.image_id == image_id for member in group)]
    return DuplicateGroups(own, finder.complete and known.complete and not ahead)


class _Grouping:
    """A collection, and the pairs in it marked as not duplicates. Close it at the end."""

    def __init__(self, images: HostedImages) -> None:
        self._gallery = images.gallery
        self._pairs = not_duplicates.list_pairs(images)
        self._closer_looks = images.gallery.build_closer_looks(
            partial(pictures.find_originals, images.collection),
            most=MAX_LOOKS,
            seconds=LOOKING_SECONDS,
        )

    @property
    def complete(self) -> bool:
        """Whether there was time for all closer looks."""
        return self._closer_looks.complete

    def close(self) -> None:
        self._closer_looks.close()

    def finder(self, min_similarity: float | None) -> PairFinder | None:
        return self._gallery.build_pair_finder(
            min_similarity,
            not_duplicates=self._pairs,
            most=MAX_COMPARISONS,
            closer_looks=self._closer_looks,
        )

    def groups(self, links: Links) -> list[list[GroupMember]]:
        found = grouped(links, self._pairs)
        groups = map(_make_members, list_links_within(found, links))
        return sorted(groups, key=lambda group: (group[0].rank, -len(group), group[0].image_id))


def _read_links(found: Iterable[FoundPair]) -> Links:
    return {
        ImagePair(pair.first_id, pair.second_id): Link(pair.rank, pair.similarity, ("", ""))
        for pair in add_similarities(found)
    }


def _make_members(links: Mapping[tuple[str, str], Link]) -> list[GroupMember]:
    closest: dict[str, GroupMember] = {}
    for pair, link in links.items():
        for image_id in pair:
            if image_id not in closest or link.rank < closest[image_id].rank:
                closest[image_id] = GroupMember(image_id, link.rank, link.similarity or 0.0)
    return sorted(closest.values(), key=lambda member: (member.rank, member.image_id))
