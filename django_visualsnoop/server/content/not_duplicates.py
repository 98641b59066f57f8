"""Pairs marked as not duplicates, as long as both files are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db import connections
from django.db.models import Count, Max, Q

from django_visualsnoop.engine.exceptions import ImageMissing
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.server.models import NotDuplicate, database
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.db.models import QuerySet

    from django_visualsnoop.engine.storage.store import ImageDetails
    from django_visualsnoop.server.content.images import HostedImages

#: Keys asked for in one statement.
_TOGETHER = 500


class SameImage(ValueError):  # noqa: N818
    """The two ids of a pair are one."""


class ImagePair(NamedTuple):
    """``first_id < second_id``."""

    first_id: str
    second_id: str


def make_pair(one_id: str, other_id: str) -> ImagePair:
    """Return a pair of image ids.

    Raises:
        SameImage: they are one.
    """
    if one_id == other_id:
        raise SameImage(f"The two image ids must differ, but both are {one_id!r:.120}.")
    return ImagePair(min(one_id, other_id), max(one_id, other_id))


def mark_pair(images: HostedImages, pair: ImagePair) -> bool:
    """Mark two images as not duplicates; return whether that is new.

    Raises:
        ImageMissing: one of them is not there.
        Refused: 404, the collection is gone; or who asks may not write to it any more.
    """
    return bool(mark_pairs(images, [pair]))


def mark_pairs(images: HostedImages, pairs: Collection[ImagePair]) -> int:
    """Mark pairs, all or none; return how many are new; see ``mark_pair``.

    It costs a few statements for all of them.
    """

    def work() -> int:
        images.lock()
        known = images.store.read_details({image_id for pair in pairs for image_id in pair})
        for pair in pairs:
            for image_id in pair:
                if image_id not in known:
                    raise ImageMissing(f"The collection holds no image {image_id!r}.")
        return _write(images.collection.pk, pairs, known)

    return write_atomically(work)


def _write(
    collection_id: str, pairs: Collection[ImagePair], known: Mapping[str, ImageDetails]
) -> int:
    """Insert or correct pairs; return how many were not there."""
    rows = [
        NotDuplicate(
            collection_id=collection_id,
            first_id=pair.first_id,
            second_id=pair.second_id,
            first_digest=known[pair.first_id].digest,
            second_digest=known[pair.second_id].digest,
            **_hash_ids(pair),
        )
        for pair in sorted(set(pairs))  # in one order, so that no two writers deadlock
    ]
    there = _read_digests(collection_id, rows)
    changed = [
        row for row in rows if there.get(_get_keys(row)) != (row.first_digest, row.second_digest)
    ]
    features = connections[database()].features
    NotDuplicate.objects.using(database()).bulk_create(
        changed,
        update_conflicts=True,
        update_fields=["first_digest", "second_digest"],
        unique_fields=(
            ["collection", "first_key", "second_key"]
            if features.supports_update_conflicts_with_target
            else None
        ),
    )
    return len(rows) - len(there)


def _read_digests(
    collection_id: str, rows: list[NotDuplicate]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the digests of those pairs that are marked already."""
    wanted = {_get_keys(row) for row in rows}
    keys = sorted({row.first_key for row in rows})
    found = {}
    for start in range(0, len(keys), _TOGETHER):
        there = _get_rows(collection_id).filter(first_key__in=keys[start : start + _TOGETHER])
        for *place, one, other in there.values_list(
            "first_key", "second_key", "first_digest", "second_digest"
        ):
            if tuple(place) in wanted:
                found[place[0], place[1]] = (one, other)
    return found


def _get_keys(row: NotDuplicate) -> tuple[str, str]:
    return row.first_key, row.second_key


def unmark_pair(images: HostedImages, pair: ImagePair) -> bool:
    """Remove the mark of a pair; return whether there was one.

    Raises:
        Refused: 404, the collection is gone; or who asks may not write to it any more.
    """

    def work() -> bool:
        images.lock()
        return bool(_get_rows(images.collection.pk).filter(**_hash_ids(pair)).delete()[0])

    return write_atomically(work)


def unmark_image(collection_id: str, image_id: str) -> None:
    """Remove the marks of all pairs of an image; call it in the transaction that deletes it."""
    key = Store.image_key(image_id)
    _get_rows(collection_id).filter(Q(first_key=key) | Q(second_key=key)).delete()


def list_pairs(images: HostedImages) -> list[ImagePair]:
    """Return the marked pairs, the oldest first."""
    rows = list(
        _get_rows(images.collection.pk)
        .order_by("pk")
        .values_list("first_id", "second_id", "first_digest", "second_digest")
    )
    known = images.store.read_details({image_id for row in rows for image_id in row[:2]})
    return [
        ImagePair(first_id, second_id)
        for first_id, second_id, *digests in rows
        if first_id in known
        and second_id in known
        and [known[first_id].digest, known[second_id].digest] == digests
    ]


def get_version(collection_id: str) -> tuple[int, int | None]:
    """Return what differs after each change of the marks."""
    found = _get_rows(collection_id).aggregate(count=Count("pk"), latest=Max("pk"))
    return found["count"], found["latest"]


def _get_rows(collection_id: str) -> QuerySet[NotDuplicate]:
    return NotDuplicate.objects.using(database()).filter(collection_id=collection_id)


def _hash_ids(pair: ImagePair) -> dict[str, str]:
    return {
        "first_key": Store.image_key(pair.first_id),
        "second_key": Store.image_key(pair.second_id),
    }
