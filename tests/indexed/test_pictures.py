"""Files of rows by the ids of their images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.indexed.image_ids import ImageIds
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.indexed.pictures import find_pictures
from tests.fixtures import picture, product
from tests.testapp.models import Article, Product

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def build_ids(model: type[Product | Article]) -> ImageIds:
    return ImageIds((field, "default") for field in indexed_fields(model))


def test_many_files_cost_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    rows = [product(number) for number in range(3)]
    bare = Product.objects.create()
    ids = build_ids(Product)
    wanted = ids.build(row.pk for row in [*rows, bare]) | {"gone", "testapp.product.photo:0"}
    with django_assert_num_queries(1):
        found = find_pictures(ids, wanted)
    assert set(found) == ids.build(row.pk for row in rows)
    for row in rows:
        (image_id,) = ids.build([row.pk])
        with found[image_id]() as opened, row.photo.open() as file:
            assert opened.read() == file.read()


def test_each_field_costs_a_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    row = Article.objects.create(cover=picture(1), thumbnail=picture(2))
    ids = build_ids(Article)
    with django_assert_num_queries(2):
        found = find_pictures(ids, ids.build([row.pk]))
    contents = set()
    for open_picture in found.values():
        with open_picture() as opened:
            contents.add(opened.read())
    assert len(contents) == 2


def test_a_missing_file_raises_its_own_error() -> None:
    row = product(1)
    row.photo.delete(save=False)
    row.refresh_from_db()
    ids = build_ids(Product)
    (open_picture,) = find_pictures(ids, ids.build([row.pk])).values()
    with pytest.raises(FileNotFoundError):
        open_picture()
