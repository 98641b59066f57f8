"""Pairs of images that a user marked as not duplicates.

A mark names the images by their ids and files, so it survives reindexing, and also if an image is
deleted and the same file is added under its id again. It is void while another file has the id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections
from django.db.models import Count, Exists, Max, OuterRef

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.transactions import write_when_free
from django_visualsnoop.engine.exceptions import build_image_missing
from django_visualsnoop.engine.models import IndexedImage, NotDuplicate, key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db.models import QuerySet

    from django_visualsnoop.engine.storage.reading import StoreReader

    Pair = tuple[str, str]

#: Number of rows read, written or deleted together.
_TOGETHER = 500


def order_pair(one_id: str, other_id: str) -> Pair:
    """Return a pair of image ids, the smaller one first.

    Raises:
        ValueError: the ids are equal.
    """
    if one_id == other_id:
        raise ValueError(f"The two image ids must differ, but both are {one_id!r:.120}.")
    return min(one_id, other_id), max(one_id, other_id)


def mark_pairs(store: StoreReader, pairs: Iterable[Pair], *, ignore_missing: bool = False) -> int:
    """Mark all pairs, or none if there is an error; return how many were not marked before.

    Args:
        store: the store of the collection.
        pairs: pairs of image ids, in any order.
        ignore_missing: leave out pairs with an image that does not exist.

    Raises:
        ImageMissing: one of the images does not exist.
        ValueError: the ids of a pair are equal.
    """
    # Writers that insert rows in the same order do not deadlock.
    ordered = sorted({order_pair(*pair) for pair in pairs})
    if not ordered:
        return 0

    def work() -> int:
        known = store.read_details({image_id for pair in ordered for image_id in pair})
        missing = [image_id for pair in ordered for image_id in pair if image_id not in known]
        if missing and not ignore_missing:
            raise build_image_missing(missing[0])
        collection_id = store.find_collection_id()
        if collection_id is None:
            return 0
        rows = [
            NotDuplicate(
                collection_id=collection_id,
                first_key=key_of(first_id),
                second_key=key_of(second_id),
                first_id=first_id,
                second_id=second_id,
                first_digest=known[first_id].digest,
                second_digest=known[second_id].digest,
            )
            for first_id, second_id in ordered
            if first_id in known and second_id in known
        ]
        marked = set(list_pairs(store, known))
        new = [row for row in rows if (row.first_id, row.second_id) not in marked]
        features = connections[store.database].features
        NotDuplicate.objects.using(store.database).bulk_create(
            new,
            batch_size=_TOGETHER,
            update_conflicts=True,
            update_fields=["first_digest", "second_digest", "created"],
            unique_fields=(
                ["collection", "first_key", "second_key"]
                if features.supports_update_conflicts_with_target
                else None
            ),
        )
        return len(new)

    return write_when_free(work, NotDuplicate, using=store.database)


def unmark_pairs(store: StoreReader, pairs: Iterable[Pair]) -> int:
    """Remove the marks of pairs; return how many there were.

    Args:
        store: the store of the collection.
        pairs: pairs of image ids, in any order.

    Raises:
        ValueError: the ids of a pair are equal.
    """
    pairs = list(pairs)
    if not pairs:
        return 0

    def work() -> int:
        return _delete(store.database, _find_marks(store, pairs))

    return write_when_free(work, NotDuplicate, using=store.database)


def count_marks(store: StoreReader, pairs: Iterable[Pair]) -> int:
    """Return how many pairs have a mark, also if it is void.

    Args:
        store: the store of the collection.
        pairs: pairs of image ids, in any order.

    Raises:
        ValueError: the ids of a pair are equal.
    """
    return len(_find_marks(store, pairs))


def list_pairs(store: StoreReader, image_ids: Collection[str] | None = None) -> list[Pair]:
    """Return the marked pairs whose images exist with the marked files, oldest first.

    Args:
        store: the store of the collection.
        image_ids: only pairs with at least one of these ids, if given.
    """
    rows = _get_rows(store).filter(_has_file("first"), _has_file("second")).order_by("pk")
    if image_ids is None:
        return list(rows.values_list("first_id", "second_id"))
    found: dict[int, Pair] = {}
    for keys in batched(map(key_of, image_ids), _TOGETHER):
        # Each part uses an index of its own; databases may read the whole table for an OR.
        for some in (rows.filter(first_key__in=keys), rows.filter(second_key__in=keys)):
            for pk, *pair in some.values_list("pk", "first_id", "second_id"):
                found[pk] = (pair[0], pair[1])
    return [found[pk] for pk in sorted(found)]


def get_version(store: StoreReader) -> str:
    """Return a text that changes with every change of the marks; the images have their own."""
    found = _get_rows(store).aggregate(
        count=Count("pk"), latest=Max("pk"), latest_created=Max("created")
    )
    return "/".join(map(str, found.values())).replace(" ", "T")


def forget_keys(database: str, collection_id: str, keys: Iterable[str]) -> None:
    """Delete the marks of images that are gone for good.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        keys: ``key_of`` the images' ids.
    """
    marks = NotDuplicate.objects.using(database).filter(collection_id=collection_id)
    for some in batched(keys, _TOGETHER):
        for found in (marks.filter(first_key__in=some), marks.filter(second_key__in=some)):
            _delete(database, list(found.values_list("pk", flat=True)))


def _find_marks(store: StoreReader, pairs: Iterable[Pair]) -> list[int]:
    """Return the primary keys of the pairs' marks, valid or void."""
    wanted = {tuple(map(key_of, order_pair(*pair))) for pair in pairs}
    return [
        pk
        for keys in batched(sorted({first for first, _ in wanted}), _TOGETHER)
        for pk, *pair in _get_rows(store)
        .filter(first_key__in=keys)
        .values_list("pk", "first_key", "second_key")
        if tuple(pair) in wanted
    ]


def _get_rows(store: StoreReader) -> QuerySet[NotDuplicate]:
    return NotDuplicate.objects.using(store.database).filter(collection__key=store.key)


def _has_file(which: str) -> Exists:
    """Return the condition that an image of a mark exists with the marked file."""
    return Exists(
        IndexedImage.objects.filter(
            collection_id=OuterRef("collection_id"),
            key=OuterRef(f"{which}_key"),
            digest=OuterRef(f"{which}_digest"),
            deleted__isnull=True,
        )
    )


def _delete(database: str, pks: list[int]) -> int:
    """Delete rows by their primary keys: on MariaDB, a DELETE by another index locks gaps in it."""
    rows = NotDuplicate.objects.using(database)
    return sum(rows.filter(pk__in=some).delete()[0] for some in batched(pks, _TOGETHER))
