"""Rows of a collection, where others change them meanwhile or they are equally old."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.engine.storage.store import Store
from tests.collections.contract import image

if TYPE_CHECKING:
    from django_visualsnoop.engine.storage.values import NewImage

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery() -> Gallery:
    return Gallery("default", "shop")


def described(gallery: Gallery, *image_ids: str) -> list[NewImage]:
    return [gallery.describe_image(image(1), image_id) for image_id in image_ids]


def test_rows_that_are_purged_during_an_update_are_there_in_the_end(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = gallery.store
    some = described(gallery, "a", "b", "c")
    store.put(some)
    store.delete("b")
    insert = Store._insert_or_update

    def purge_first(self: Store, rows: list[Any]) -> None:
        IndexedImage.objects.filter(image_id="b", deleted__isnull=False).delete()
        insert(self, rows)

    monkeypatch.setattr(Store, "_insert_or_update", purge_first)
    stored = store.put([*some, *described(gallery, "d")])
    assert [one.image_id for one in stored] == ["a", "b", "c", "d"]
    assert [one.existed for one in stored] == [True, False, True, False]
    assert sorted(store.iterate_ids()) == ["a", "b", "c", "d"]
    assert IndexedImage.objects.count() == 4
    assert [hit.image_id for hit in gallery.search(image(1), SearchOptions(limit=9)).hits] == [
        "a",
        "b",
        "c",
        "d",
    ]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_hold_each_image_once_though_all_are_equally_old(gallery: Gallery, size: int) -> None:
    some = described(gallery, "b", "d", "a", "e", "c")
    gallery.store.put(some, times=[1_000_000] * 5)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # it would be in this order by chance
            cursor.execute("DROP INDEX visualsnoop_engine_list")
    found: list[str] = []
    start: str | None = None
    for _ in range(6):
        page = gallery.store.read_page(start, size)
        assert len(page.images) <= size
        found += [one.image_id for one in page.images]
        start = page.next_image_id
        if start is None:
            break
    newest_first = IndexedImage.objects.order_by("-pk").values_list("image_id", flat=True)
    assert found == list(newest_first)
