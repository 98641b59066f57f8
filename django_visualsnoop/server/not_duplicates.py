"""Pairs that someone has called no duplicates, remembered as long as both files are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q

from django_visualsnoop.engine.exceptions import ImageMissing
from django_visualsnoop.engine.models import key_of
from django_visualsnoop.server.models import NotDuplicate, database

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.db.models import QuerySet

    from django_visualsnoop.engine.store import Details, Store


class SameImage(ValueError):  # noqa: N818
    """The two ids of a pair are one."""


class Pair(NamedTuple):
    """``first_id < second_id``."""

    first_id: str
    second_id: str


def pair_of(one_id: str, other_id: str) -> Pair:
    """Return a pair of image ids.

    Raises:
        SameImage: they are one.
    """
    if one_id == other_id:
        raise SameImage(f"An image is its own duplicate: both ids are {one_id!r:.120}.")
    return Pair(min(one_id, other_id), max(one_id, other_id))


def remember(collection_id: str, store: Store, pair: Pair) -> bool:
    """Remember that two images are no duplicates; return whether that is new.

    Raises:
        ImageMissing: one of them is not there.
    """
    return bool(remember_all(collection_id, store, [pair]))


def remember_all(collection_id: str, store: Store, pairs: Collection[Pair]) -> int:
    """Remember pairs, all or none; return how many are new; see ``remember``.

    Raises:
        ImageMissing: one of their images is not there.
    """
    known = store.details({image_id for pair in pairs for image_id in pair})
    for pair in pairs:
        for image_id in pair:
            if image_id not in known:
                raise ImageMissing(f"The collection holds no image {image_id!r}.")
    with transaction.atomic(using=database()):
        return sum(_remember(collection_id, pair, known) for pair in pairs)


def _remember(collection_id: str, pair: Pair, known: Mapping[str, Details]) -> bool:
    digests = {"first_digest": known[pair[0]].digest, "second_digest": known[pair[1]].digest}
    ids = {"first_id": pair.first_id, "second_id": pair.second_id}
    try:
        with transaction.atomic(using=database()):
            NotDuplicate.objects.using(database()).create(
                collection_id=collection_id, **_keys(pair), **ids, **digests
            )
    except IntegrityError:
        _rows(collection_id).filter(**_keys(pair)).update(**digests)
        return False
    return True


def take_back(collection_id: str, pair: Pair) -> bool:
    """Forget that two images are no duplicates; return whether that was remembered."""
    return bool(_rows(collection_id).filter(**_keys(pair)).delete()[0])


def forget(collection_id: str, image_id: str) -> None:
    """Forget all pairs of an image; call it in the transaction that deletes it."""
    key = key_of(image_id)
    _rows(collection_id).filter(Q(first_key=key) | Q(second_key=key)).delete()


def remembered(
    collection_id: str, store: Store, among: Collection[str] | None = None
) -> list[Pair]:
    """Return the pairs that are remembered, the oldest first.

    Args:
        collection_id: the hosted collection's.
        store: of its images.
        among: only pairs of which both ids are among these, if given.
    """
    rows = list(
        _rows(collection_id)
        .order_by("pk")
        .values_list("first_id", "second_id", "first_digest", "second_digest")
    )
    if among is not None:
        rows = [row for row in rows if row[0] in among and row[1] in among]
    known = store.details({image_id for row in rows for image_id in row[:2]})
    return [
        Pair(first_id, second_id)
        for first_id, second_id, *digests in rows
        if first_id in known
        and second_id in known
        and [known[first_id].digest, known[second_id].digest] == digests
    ]


def state(collection_id: str) -> tuple[int, int | None]:
    """Return what changes with what is remembered."""
    found = _rows(collection_id).aggregate(count=Count("pk"), latest=Max("pk"))
    return found["count"], found["latest"]


def _rows(collection_id: str) -> QuerySet[NotDuplicate]:
    return NotDuplicate.objects.using(database()).filter(collection_id=collection_id)


def _keys(pair: Pair) -> dict[str, str]:
    return {"first_key": key_of(pair.first_id), "second_key": key_of(pair.second_id)}
