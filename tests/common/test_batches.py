"""Rows and values a batch at a time."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.common.batches import batched, iter_batches
from tests.testapp.models import Shop

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries


def test_values() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []
    assert next(batched(islice(count(), 10), 3)) == [0, 1, 2]


@pytest.mark.django_db
@pytest.mark.parametrize(("size", "expected"), [(2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_rows(
    size: int, expected: list[int], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Shop.objects.bulk_create(Shop(name=str(number)) for number in range(5))
    # A full batch may be the last one, so one more query asks for the next.
    with django_assert_num_queries(len(expected) + (expected[-1] == size)):
        found = list(iter_batches(Shop.objects.all(), size=size))
    assert list(map(len, found)) == expected
    rows = [row for batch in found for row in batch]
    assert rows == list(Shop.objects.order_by("pk"))
    pairs = [
        pair for batch in iter_batches(Shop.objects.all(), "name", size=size) for pair in batch
    ]
    assert pairs == [(row.pk, row.name) for row in rows]
    (rest,) = iter_batches(Shop.objects.all(), size=9, after=rows[2].pk)
    assert rest == rows[3:]


@pytest.mark.django_db
def test_rows_that_come_and_go_meanwhile() -> None:
    Shop.objects.bulk_create(Shop(name=str(number)) for number in range(4))
    batches = iter_batches(Shop.objects.all(), "name", size=2)
    assert [name for _, name in next(batches)] == ["0", "1"]
    Shop.objects.filter(name__in=["0", "2"]).delete()
    Shop.objects.create(name="4")
    assert [name for batch in batches for _, name in batch] == ["3", "4"]
