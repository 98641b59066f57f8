"""Pairs marked as not duplicates. A mark is valid while both files stay the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db import connections
from django.db.models import Count, Max, Q

from django_visualsnoop.engine.exceptions import build_image_missing
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.server.models import NotDuplicate, database
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.db.models import QuerySet

    from django_visualsnoop.engine.storage.values import ImageDetails
    from django_visualsnoop.server.content.images import HostedImages

#: The number of keys in one statement.
_TOGETHER = 500


class SameImage(ValueError):  # noqa: N818
    """The two ids of a pair are equal."""


class ImagePair(NamedTuple):
    """A pair of image ids; ``first_id < second_id``."""

    first_id: str
    second_id: str


def make_pair(one_id: str, other_id: str) -> ImagePair:
    """Return a pair of image ids.

    Raises:
        SameImage: the ids are equal.
    """
    if one_id == other_id:
        raise SameImage(f"The two image ids must differ, but both are {one_id!r:.120}.")
    return ImagePair(min(one_id, other_id), max(one_id, other_id))


def mark_pair(images: HostedImages, pair: ImagePair) -> bool:
    """Mark two images as not duplicates; return whether the mark is new.

    Raises:
        ImageMissing: one of the images does not exist.
        Refused: 404, the collection does not exist; or the caller may no longer write to it.
    """
    return bool(mark_pairs(images, [pair]))


def mark_pairs(images: HostedImages, pairs: Collection[ImagePair]) -> int:
    """Mark all pairs or none, and return how many marks are new; see ``mark_pair``.

    This executes a few statements for all pairs together.
    """

    def work() -> int:
        images.lock()
        known = images.store.read_details({image_id for pair in pairs for image_id in pair})
        for pair in pairs:
            for image_id in pair:
                if image_id not in known:
                    raise build_image_missing(image_id)
        return _write(images.collection.pk, pairs, known)

    return write_atomically(work)


def _write(
    collection_id: str, pairs: Collection[ImagePair], known: Mapping[str, ImageDetails]
) -> int:
    """Insert or correct pairs; return how many are new."""
    rows = [
        NotDuplicate(
            collection_id=collection_id,
            first_id=pair.first_id,
            second_id=pair.second_id,
            first_digest=known[pair.first_id].digest,
            second_digest=known[pair.second_id].digest,
            **_hash_ids(pair),
        )
        for pair in sorted(set(pairs))  # in one order, to prevent deadlocks between two writers
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
    """Return the digests of the pairs that are already marked."""
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
    """Remove the mark of a pair; return whether the pair was marked.

    Raises:
        Refused: 404, the collection does not exist; or the caller may no longer write to it.
    """

    def work() -> bool:
        images.lock()
        return bool(_get_rows(images.collection.pk).filter(**_hash_ids(pair)).delete()[0])

    return write_atomically(work)


def unmark_image(collection_id: str, image_id: str) -> None:
    """Remove all marks of an image; call this in the transaction that deletes the image."""
    key = Store.image_key(image_id)
    _get_rows(collection_id).filter(Q(first_key=key) | Q(second_key=key)).delete()


def list_pairs(images: HostedImages) -> list[ImagePair]:
    """Return the marked pairs, oldest first."""
    return _read_valid(images, _get_rows(images.collection.pk).order_by("pk"))


def list_pairs_among(images: HostedImages, image_ids: Collection[str]) -> set[ImagePair]:
    """Return the marked pairs of some images."""
    keys = sorted({Store.image_key(image_id) for image_id in image_ids})
    found: set[ImagePair] = set()
    for start in range(0, len(keys), _TOGETHER):
        rows = _get_rows(images.collection.pk).filter(first_key__in=keys[start : start + _TOGETHER])
        found.update(_read_valid(images, rows))
    return {pair for pair in found if pair.second_id in image_ids}


def _read_valid(images: HostedImages, marks: QuerySet[NotDuplicate]) -> list[ImagePair]:
    """Return the pairs of marks whose files are still the same."""
    rows = list(marks.values_list("first_id", "second_id", "first_digest", "second_digest"))
    known = images.store.read_details({image_id for row in rows for image_id in row[:2]})
    return [
        ImagePair(first_id, second_id)
        for first_id, second_id, *digests in rows
        if first_id in known
        and second_id in known
        and [known[first_id].digest, known[second_id].digest] == digests
    ]


def get_version(collection_id: str) -> tuple[int, int | None]:
    """Return a value that changes with every change of the marks."""
    found = _get_rows(collection_id).aggregate(count=Count("pk"), latest=Max("pk"))
    return found["count"], found["latest"]


def _get_rows(collection_id: str) -> QuerySet[NotDuplicate]:
    return NotDuplicate.objects.using(database()).filter(collection_id=collection_id)


def _hash_ids(pair: ImagePair) -> dict[str, str]:
    return {
        "first_key": Store.image_key(pair.first_id),
        "second_key": Store.image_key(pair.second_id),
    }
