"""What each way of changing a row writes, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from django_visualsnoop.models import SyncRecord
from tests.fixtures import picture, product, record_of
from tests.outbox.requested import generation
from tests.testapp.models import FeaturedProduct, Product, Shop

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def test_a_deleted_row_leaves_a_request() -> None:
    row = product()
    before, key = generation(row), row.pk
    row.delete()
    row.pk = key
    assert generation(row) != before
    assert not record_of(row).wanted


def test_a_cascade_leaves_requests() -> None:
    shop = Shop.objects.create(name="corner")
    row = product(shop=shop)
    before = generation(row)
    shop.delete()
    assert generation(row) != before


def test_a_deleted_queryset_costs_one_write_for_all(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(5):
        product(number)
    # Select, children, reviews, links to ranges, delete, requests; and SQLite first takes its lock.
    expected = 7 if connection.vendor == "sqlite" else 6
    with django_assert_num_queries(expected) as captured:
        Product.objects.all().delete()
    written = [query["sql"] for query in captured.captured_queries]
    assert sum('INTO "visualsnoop_syncrecord' in sql.replace("`", '"') for sql in written) == 1
    assert SyncRecord.objects.filter(wanted=False).count() == 5


def test_a_proxy_writes_the_record_of_its_model() -> None:
    row = FeaturedProduct.objects.create(photo=picture())
    assert record_of(row).model == "testapp.product"
    before = generation(row)
    FeaturedProduct.objects.get().delete()
    assert SyncRecord.objects.get().generation != before
