"""Whose image an id of a collection is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.indexed.options import IndexedField, indexed_field
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import listing as module
from django_visualsnoop.sync.listing import Category, Listed, Listing
from tests.collections.contract import image
from tests.down import tables_gone
from tests.fixtures import image_id, picture, product
from tests.testapp.models import Document, Product
from tests.testapp.models import Listing as ListingRow

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def category(found: str, alias: str = "default") -> Category:
    (listed,) = Listing(alias, using="default").classify([found])
    return listed.category


def test_what_a_row_has_is_wanted() -> None:
    row = product(1)
    assert category(image_id(row)) is Category.WANTED


def test_what_no_row_has_is_unwanted_and_names_the_key() -> None:
    photo = indexed_field(Product, "photo")
    (listed,) = Listing("default", using="default").classify(["testapp.product.photo:7"])
    assert listed == Listed("testapp.product.photo:7", Category.UNWANTED, photo, "7")
    # No row's id is written so.
    assert category("testapp.product.photo:007") is Category.LEFTOVER


def test_a_row_without_a_picture_or_left_out_by_its_condition_wants_none() -> None:
    bare = Product.objects.create()
    hidden = ListingRow.objects.create(photo=picture(1), published=False)
    assert category(image_id(bare)) is Category.UNWANTED
    assert category(f"testapp.listing.photo:{hidden.pk}") is Category.UNWANTED


def test_a_row_of_another_database_wants_it_too() -> None:
    with sync_paused():
        row = Product.objects.using("other").create(photo=picture(1))
    assert category(image_id(row)) is Category.WANTED


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_database_without_our_tables_has_no_rows_of_ours() -> None:
    with sync_paused():
        row = Product.objects.using("other").create(photo=picture(1))
    with tables_gone("other"):
        assert category(image_id(row)) is Category.UNWANTED
    with tables_gone("other", Product._meta.db_table):
        assert category(image_id(row)) is Category.UNWANTED


def test_ids_of_another_database_are_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    field = IndexedField(Product, "photo", "default", "{database}/{pk}", None)
    monkeypatch.setattr(module, "all_indexed_fields", lambda: [field])
    assert category("other/1") is Category.ELSEWHERE
    assert category("default/1") is Category.UNWANTED


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("testapp.product.old:1", Category.LEFTOVER),
        ("testapp.document.scan:1", Category.LEFTOVER),
        ("testapp.product", Category.FOREIGN),
        ("testapp.products.photo:1", Category.FOREIGN),
        ("testapp.shop.photo:1", Category.FOREIGN),  # no indexed model
        ("7", Category.FOREIGN),
        ("", Category.FOREIGN),
    ],
)
def test_what_no_field_has_is_left_over_or_foreign(found: str, expected: Category) -> None:
    assert category(found) is expected


def test_fields_of_another_collection_do_not_count() -> None:
    row = Document.objects.create(code="a", scan=picture(1))
    assert category("scan/a", "archive") is Category.WANTED
    assert category("scan/a") is Category.FOREIGN
    assert row.pk == "a"


def test_ids_come_back_in_their_order_for_one_query_a_field_and_database(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    rows = [product(1) for _ in range(3)]
    listing = Listing("default", using="default")
    listing.classify(["foreign"])  # which tables there are is known now
    ids = [*map(image_id, rows), "foreign", "testapp.product.photo:999999"]
    with django_assert_num_queries(1), django_assert_num_queries(1, using="other"):
        found = listing.classify(reversed(ids))
    assert [one.image_id for one in found] == ids[::-1]


def test_the_whole_listing_comes_in_batches(recorder: RecorderCollection) -> None:
    for number in range(5):
        recorder.add_image(image(1), f"{number}")
    batches = list(Listing("default", using="default").walk(2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert sorted(one.image_id for batch in batches for one in batch) == list("01234")
