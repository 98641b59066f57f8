"""Deciding on groups of duplicates: which are still to be reviewed, and carrying decisions out."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.server.content import not_duplicates
from django_visualsnoop.server.content.not_duplicates import make_pair
from django_visualsnoop.server.content.removals import record_removal
from django_visualsnoop.server.models import KeptGroup, database
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from django_visualsnoop.server.content.duplicates import Duplicates
    from django_visualsnoop.server.content.groups import GroupMember
    from django_visualsnoop.server.content.images import HostedImages

#: The number of groups that are read at first to find one to review, and then at most at once.
_AHEAD, MOST_AHEAD = 10, 500


class GroupChanged(Exception):  # noqa: N818
    """Somebody has changed the group after it had been shown."""


class ReviewGroup(NamedTuple):
    """A group as it is now."""

    #: Its place in the search, 0 for the closest one.
    place: int
    #: The images that are left: unchanged since the search, and not marked as not duplicates.
    members: list[GroupMember]
    is_kept: bool

    @property
    def is_open(self) -> bool:
        """Whether the group is to be reviewed."""
        return len(self.members) > 1 and not self.is_kept


class Review:
    """The groups of one search, and what was decided since.

    Args:
        images: the images of the collection.
        found: the result of the search.
    """

    def __init__(self, images: HostedImages, found: Duplicates) -> None:
        self._images = images
        self._found = found

    def find(self, image_id: str) -> ReviewGroup | None:
        """Return the group of an image, or ``None``."""
        return next(iter(self.find_all([image_id])), None)

    def find_all(self, image_ids: Collection[str]) -> list[ReviewGroup]:
        """Return the groups of images, in the order of the search."""
        wanted = set(image_ids)
        places = [
            place
            for place, group in enumerate(self._found.groups)
            if not wanted.isdisjoint(one.image_id for one in group)
        ]
        return self._read(places) if places else []

    def find_open(self, places: Sequence[int]) -> ReviewGroup | None:
        """Return the first group to review among some, or ``None``."""
        start, size = 0, _AHEAD
        while start < len(places):
            for group in self._read(places[start : start + size]):
                if group.is_open:
                    return group
            start, size = start + size, min(10 * size, MOST_AHEAD)
        return None

    def find_next(self, place: int) -> ReviewGroup | None:
        """Return the group to review after one; the first one after the last."""
        count = len(self._found.groups)
        return self.find_open([*range(place + 1, count), *range(place)])

    def list_groups(self) -> list[ReviewGroup]:
        """Return all groups as the search has found them, without reading what changed since."""
        kept = _read_kept(self._images)
        return [
            ReviewGroup(place, group, self._make_fingerprint(group) in kept)
            for place, group in enumerate(self._found.groups)
        ]

    def _make_fingerprint(self, members: Sequence[GroupMember]) -> str:
        digests = self._found.digests
        return make_fingerprint({one.image_id: digests.get(one.image_id, "") for one in members})

    def _read(self, places: Sequence[int]) -> list[ReviewGroup]:
        found = [self._found.groups[place] for place in places]
        ids = {one.image_id for group in found for one in group}
        details = self._images.store.read_details(ids)
        pairs = not_duplicates.list_pairs_among(self._images, ids)

        def is_there(one: GroupMember) -> bool:
            now = details.get(one.image_id)
            return now is not None and now.digest == self._found.digests.get(one.image_id)

        left = []
        for group in found:
            there = [one for one in group if is_there(one)]
            there_ids = [one.image_id for one in there]
            left.append([one for one in there if _has_copy(one.image_id, there_ids, pairs)])
        prints = [self._make_fingerprint(group) for group in left]
        kept = _read_kept(self._images, prints)
        return [
            ReviewGroup(place, members, fingerprint in kept)
            for place, members, fingerprint in zip(places, left, prints, strict=True)
        ]


def decide(
    images: HostedImages,
    shown: Mapping[str, str],
    *,
    remove: Sequence[str] = (),
    apart: Collection[str] = (),
    keep_rest: bool = False,
) -> None:
    """Carry out a decision on a group, or nothing of it.

    Args:
        images: the images of the collection.
        shown: the digests of all images that the user has seen, by id.
        remove: ids of the images to delete; see ``removals`` for how to restore them.
        apart: ids of the images to mark as not duplicates of the others that are left.
        keep_rest: whether to remember that the others are to be kept, if these are several.

    Raises:
        GroupChanged: an image was deleted or replaced meanwhile; or somebody keeps the group, or
            has marked an image to delete as not a duplicate. Nothing was changed.
        Refused: 404, the collection does not exist; or the caller may no longer write to it.
    """
    left = [image_id for image_id in shown if image_id not in remove]
    kept = {image_id: shown[image_id] for image_id in left if image_id not in apart}
    pairs = {make_pair(one, other) for one in apart for other in left if one != other}

    def work() -> None:
        # Nobody may replace a picture between the comparison and its deletion.
        images.lock(alone=True)
        details = images.store.read_details(shown)
        if {image_id: one.digest for image_id, one in details.items()} != dict(shown):
            raise GroupChanged
        known = not_duplicates.list_pairs_among(images, shown)
        if not all(_has_copy(image_id, shown, known) for image_id in remove):
            raise GroupChanged
        if remove and _read_kept(images, [make_fingerprint(shown)]):
            raise GroupChanged
        if pairs:
            not_duplicates.mark_pairs(images, pairs)
        fingerprint = make_fingerprint(kept) if keep_rest and len(kept) > 1 else ""
        if fingerprint:
            KeptGroup.objects.using(database()).get_or_create(
                collection_id=images.collection.pk, fingerprint=fingerprint
            )
        if remove:
            record_removal(images, remove, marked=pairs - known, kept=fingerprint)
        for image_id in remove:
            images.delete(image_id)

    write_atomically(work)


def reopen(images: HostedImages, shown: Mapping[str, str]) -> bool:
    """Forget that a group is to be kept; return whether it was.

    Args:
        images: the images of the collection.
        shown: the digests of its images, by id.
    """

    def work() -> bool:
        # On MariaDB, a deletion that finds no row would lock the gap where others insert.
        images.lock(alone=True)
        rows = KeptGroup.objects.using(database()).filter(
            collection=images.collection.pk, fingerprint=make_fingerprint(shown)
        )
        return bool(rows.delete()[0])

    return write_atomically(work)


def make_fingerprint(digests: Mapping[str, str]) -> str:
    """Return what tells a group from all others, and from itself with other pictures.

    Args:
        digests: the digests of the files, by image id.
    """
    lines = sorted(f"{digest} {image_id!r}" for image_id, digest in digests.items())
    return sha256("\n".join(lines).encode()).hexdigest()


def _has_copy(image_id: str, others: Iterable[str], pairs: Collection[tuple[str, str]]) -> bool:
    return any(other != image_id and make_pair(image_id, other) not in pairs for other in others)


def _read_kept(images: HostedImages, fingerprints: Sequence[str] | None = None) -> set[str]:
    """Return the fingerprints of kept groups: of all, or those among some."""
    rows = KeptGroup.objects.using(database()).filter(collection=images.collection.pk)
    if fingerprints is not None:
        rows = rows.filter(fingerprint__in=fingerprints)
    return set(rows.values_list("fingerprint", flat=True))
