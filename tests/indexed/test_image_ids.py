"""From rows to the image ids of a collection, and back."""

from __future__ import annotations

import pytest

from django_visualsnoop.indexed.image_ids import ImageIds, ParsedImageId
from django_visualsnoop.indexed.options import indexed_field
from tests.testapp.models import Article, Document, Product

PHOTO = indexed_field(Product, "photo")
COVER = indexed_field(Article, "cover")
SCAN = indexed_field(Document, "scan")  # in the collection "archive", as scan/{pk}


def test_ids_of_rows_in_every_field() -> None:
    ids = ImageIds([(PHOTO, "default"), (SCAN, "default")])
    assert ids.build([7, "08"]) == {
        "testapp.product.photo:7",
        "testapp.product.photo:8",
        "scan/7",
        "scan/08",
    }
    assert ids.build(iter([])) == set()


def test_an_id_names_the_row_and_the_field() -> None:
    ids = ImageIds([(COVER, "default"), (PHOTO, "default")])
    assert ids.parse("testapp.product.photo:7") == ParsedImageId(PHOTO, "default", 7)


@pytest.mark.parametrize(
    "image_id",
    [
        "",
        "7",
        "testapp.product.photo:",
        "testapp.product.photo:007",  # the row 7 has another id
        "testapp.product.photo:seven",
        "testapp.product.thumbnail:7",
        "testapp.poster.photo:7",
        "scan/7",  # of a field that is not asked for
    ],
)
def test_an_id_of_none_of_the_fields(image_id: str) -> None:
    ids = ImageIds([(COVER, "default"), (PHOTO, "default")])
    assert ids.parse(image_id) is None
    assert list(ids.parse_all(image_id)) == []


def test_an_id_may_stand_for_rows_of_several_databases() -> None:
    ids = ImageIds([(PHOTO, "default"), (PHOTO, "other")])
    found = list(ids.parse_all("testapp.product.photo:7"))
    assert found == [ParsedImageId(PHOTO, "default", 7), ParsedImageId(PHOTO, "other", 7)]


def test_only_fields_of_one_collection() -> None:
    ids = ImageIds([(PHOTO, "default"), (SCAN, "default")])
    assert ids.in_collection("archive").build([7]) == {"scan/7"}
    assert ids.in_collection("archive").parse("testapp.product.photo:7") is None
    assert ids.in_collection("unused").build([7]) == set()
