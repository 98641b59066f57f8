"""What every search reads from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
from django_visualsnoop.engine.storage import queries as module
from django_visualsnoop.engine.storage.queries import ImageRow, read_image_rows, read_state
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.engine.storage.values import NewImage
from tests.engine.descriptors.test_descriptor import random_descriptor

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db(transaction=True)

VECTOR = random_descriptor(3).to_bytes()


@pytest.fixture
def store() -> Store:
    """Two images that everybody sees; and a collection beside."""
    Store("default", "beside").put([new("a"), new("beside")])
    store = Store("default", "shop")
    store.put([new("a"), new("é/ü")])
    return store


def new(image_id: str) -> NewImage:
    return NewImage(image_id, VECTOR, describe.VERSION, "d", 3, 2)


def state(store: Store, image_id: str | None = None) -> Any:
    return read_state("default", store.key, image_id)


def rows(store: Store, *image_ids: str) -> list[str]:
    found = read_image_rows("default", str(store.find_collection_id()), image_ids)
    return sorted(row.image_id for row in found)


def test_of_a_collection_that_nobody_wrote_there_is_no_state() -> None:
    assert read_state("default", key_of("nowhere"), "a") is None


def test_a_state_says_what_the_collections_row_says(store: Store) -> None:
    Collection.objects.filter(name="shop").update(horizon=7, blocks_seq=8)
    row = Collection.objects.get(name="shop")
    found = state(store)
    assert found == (row.pk, row.seq, 7, 8, False, None)
    assert row.seq > 0


def test_a_row_without_a_number_is_noticed(store: Store) -> None:
    IndexedImage.objects.filter(collection__name="beside").update(seq=None)
    assert not state(store).unnumbered
    IndexedImage.objects.filter(collection__name="shop", image_id="a").update(seq=None)
    assert state(store).unnumbered


def test_the_image_that_is_asked_for_comes_along(
    store: Store, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        row = state(store, "é/ü").image_row
    assert row == ("é/ü", store.get("é/ü").image_time, describe.VERSION, VECTOR, None, None)
    assert state(store, "beside").image_row is None
    store.delete("é/ü")
    assert state(store, "é/ü").image_row is None


def test_rows_of_many_images_are_read_in_portions(
    store: Store, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 2)
    with django_assert_num_queries(1 + 2):
        assert rows(store, "a", "beside", "é/ü", "gone") == ["a", "é/ü"]
    assert rows(store) == []


def test_a_descriptor_of_another_version_or_a_broken_one_is_none() -> None:
    assert ImageRow("a", 1, describe.VERSION, VECTOR).parse_descriptor() is not None
    assert ImageRow("a", 1, describe.VERSION - 1, VECTOR).parse_descriptor() is None
    assert ImageRow("a", 1, describe.VERSION, VECTOR[:-1]).parse_descriptor() is None
    assert ImageRow("a", 1, describe.VERSION, b"").parse_descriptor() is None
