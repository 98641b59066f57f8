"""Marks of pairs: which are valid, and when they go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connections

from django_visualsnoop.engine.exceptions import ImageMissing
from django_visualsnoop.engine.models import NotDuplicate
from django_visualsnoop.engine.storage import publish
from django_visualsnoop.engine.storage.not_duplicates import (
    count_marks,
    get_version,
    list_pairs,
    mark_pairs,
    unmark_pairs,
)
from django_visualsnoop.engine.storage.store import Store
from tests.engine.storage.test_store import new

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

AB, AC, BC = ("a", "b"), ("a", "c"), ("b", "c")


@pytest.fixture
def store() -> Store:
    """A collection of three images, beside another one with the same ids."""
    for name in ("beside", "shop"):
        Store("other", name).put([new(image_id, digest=image_id) for image_id in "abc"])
    return Store("other", "shop")


def purge(store: Store) -> None:
    """Purge twice: the first time raises the horizon."""
    collection_id = store.get_or_create_collection_id()
    for _ in range(2):
        publish.purge("other", collection_id, older_than_seconds=-60)


def count() -> int:
    return NotDuplicate.objects.using("other").count()


def test_pairs_are_marked_once_in_either_order(store: Store) -> None:
    assert mark_pairs(store, [("b", "a"), AB, AC]) == 2
    assert mark_pairs(store, [AB, ("c", "b")]) == 1
    assert list_pairs(store) == [AB, AC, BC]
    assert list_pairs(store, ["b", "unknown"]) == [AB, BC]
    assert list_pairs(store, []) == []
    assert list_pairs(Store("other", "beside")) == list_pairs(Store("other", "empty")) == []
    assert unmark_pairs(store, [("b", "a"), ("a", "unknown")]) == 1
    assert unmark_pairs(store, [AB]) == unmark_pairs(store, []) == mark_pairs(store, []) == 0
    assert list_pairs(store) == [AC, BC]


def test_all_pairs_or_none(store: Store) -> None:
    for missing in ([AB, ("a", "x")], [("x", "y")]):
        with pytest.raises(ImageMissing, match=r"holds no image '[xy]'"):
            mark_pairs(store, missing)
    with pytest.raises(ImageMissing):
        mark_pairs(Store("other", "empty"), [AB])
    for change in (mark_pairs, unmark_pairs):
        with pytest.raises(ValueError, match=r"must differ, but both are 'a'\.$"):
            change(store, [AB, ("a", "a")])
    assert count() == 0
    assert mark_pairs(store, [AB, ("a", "x")], ignore_missing=True) == 1
    assert mark_pairs(Store("other", "empty"), [AB], ignore_missing=True) == 0
    assert list_pairs(store) == [AB]


def test_a_mark_is_valid_while_the_files_are_the_same(store: Store) -> None:
    mark_pairs(store, [AB, BC])
    store.put([new("a", digest="another")])
    assert list_pairs(store) == [BC]
    store.put([new("a", digest="a", version=2)])
    assert list_pairs(store) == [AB, BC]
    store.put([new("a", digest="another")])
    assert count_marks(store, [("b", "a"), AC, BC]) == 2  # a void one, too
    assert mark_pairs(store, [AB]) == 1  # of the other picture
    assert list_pairs(store) == [AB, BC]
    assert count() == 2


def test_the_version_changes_with_every_change(store: Store) -> None:
    before = get_version(store)
    mark_pairs(store, [AC])

    def change(work: Callable[..., int], pair: tuple[str, str]) -> None:
        nonlocal before
        work(store, [pair])
        assert get_version(store) != before
        before = get_version(store)

    change(mark_pairs, AB)
    store.put([new("a", digest="another")])
    assert get_version(store) == before
    change(mark_pairs, AB)  # of the other picture
    unmark_pairs(store, [AB])
    change(mark_pairs, BC)
    change(unmark_pairs, AC)
    mark_pairs(Store("other", "beside"), [AB])
    assert get_version(store) == before


def test_marks_are_deleted_with_the_last_of_their_images(store: Store) -> None:
    mark_pairs(store, [AB, AC, BC])
    store.delete("a")
    assert list_pairs(store) == [BC]
    store.add(new("a", digest="a"))
    assert list_pairs(store) == [AB, AC, BC]
    store.delete("b")
    assert count() == 3
    purge(store)
    assert list_pairs(store) == [AC]
    assert count() == 1
    mark_pairs(Store("other", "beside"), [AB])
    store.drop()
    assert count() == 1


def test_several_mark_at_once(store: Store) -> None:
    """All want the same pairs, and nobody fails or waits for ever."""
    images = [f"{number:02}" for number in range(12)]
    store.put([new(image_id, digest=image_id) for image_id in images])
    pairs = [(one, other) for one in images for other in images if one < other]

    def mark(_: int) -> int:
        try:
            return mark_pairs(store, pairs)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=4) as pool:
        assert sum(pool.map(mark, range(4))) >= len(pairs)
    assert list_pairs(store) == pairs
    assert count() == len(pairs)
