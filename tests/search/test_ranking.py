"""Rows in the order of a search: their values, and which of them a query finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db.models import FloatField, IntegerField

from django_visualsnoop.search.ranking import RankedRow, RankedValue, Ranking
from tests.testapp.models import Article, Document, Product

if TYPE_CHECKING:
    from django.db import models

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]


def annotated(rows: models.QuerySet[Any], values: dict[Any, float | None], field: Any) -> Any:
    ranked: list[Any] = [RankedRow(key, 0, value, None, None) for key, value in values.items()]
    ranking = Ranking(ranked, 20)
    # These values stand without the condition on the rows, which would choose them.
    ranking._answer.rows = ranked
    return rows.annotate(found=RankedValue(ranking, "similarity", field))


def test_each_row_has_the_value_of_its_key_or_none() -> None:
    one, two, three = (Product.objects.create(name=name) for name in ("a", "b", "c"))
    rows = annotated(Product.objects.all(), {one.pk: 7, two.pk: None}, IntegerField())
    assert dict(rows.values_list("name", "found")) == {"a": 7, "b": None, "c": None}
    assert rows.get(found=7) == one
    assert list(rows.filter(found=None).order_by("pk")) == [two, three]


@pytest.mark.parametrize("values", [{}, {5: None}])
def test_without_a_value_all_are_null(values: dict[Any, float | None]) -> None:
    Product.objects.create(pk=5)
    assert annotated(Product.objects.all(), values, FloatField()).get().found is None


@pytest.mark.parametrize(
    "value", ["1", "' OR 1=1 --", ["1); --"], {"a": 1}, float("nan"), float("inf"), "copies"]
)
def test_what_is_neither_a_number_nor_a_word_of_ours_never_reaches_the_statement(
    value: Any,
) -> None:
    Product.objects.create(pk=5)
    rows = annotated(Product.objects.all(), {5: value}, FloatField())
    assert rows.get().found is None


def test_rows_come_in_the_order_of_the_values() -> None:
    keys = [Product.objects.create().pk for _ in range(3)]
    values: dict[Any, float | None] = dict(zip(keys, (0.25, 0.125, 1e-20), strict=True))
    rows = annotated(Product.objects.all(), values, FloatField()).order_by("found")
    assert [row.pk for row in rows] == keys[::-1]
    assert [row.found for row in rows] == [1e-20, 0.125, 0.25]


def test_keys_are_written_as_their_column_has_them() -> None:
    article = Article.objects.create()
    document = Document.objects.create(code="it's 100 % é")
    assert annotated(Article.objects.all(), {article.pk: 1}, IntegerField()).get().found == 1
    rows = annotated(Document.objects.all(), {document.pk: 1, "' OR 1=1": 2}, IntegerField())
    assert rows.get().found == 1
