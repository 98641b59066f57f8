"""Rows marked as not duplicates: groups do not show them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command

from django_visualsnoop.collections import collections
from django_visualsnoop.exceptions import UnsupportedSearch
from django_visualsnoop.sync.worker import sweep
from tests.fixtures import picture, product
from tests.testapp.models import Article, Document, FeaturedProduct, Product

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def copies() -> list[Product]:
    """Three copies of one picture, and another picture."""
    rows = [product(1), product(1), product(1), product(2)]
    sweep(using="default")
    return rows


def keys(groups: Iterable[Iterable[Any]]) -> list[list[Any]]:
    return sorted(sorted(row.pk for row in group) for group in groups)


def test_marked_rows_are_not_in_one_group_until_they_are_unmarked(
    copies: list[Product], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c, other = (row.pk for row in copies)
    rows = Product.objects.all()
    assert rows.mark_not_duplicates([copies[0], copies[1]]) == 1
    assert rows.mark_not_duplicates(rows.filter(pk__in=[a, b])) == 0
    assert rows.list_not_duplicates() == [(a, b)]
    assert rows.exclude(pk=a).list_not_duplicates() == []
    (group,) = keys(rows.duplicates())
    assert group in ([a, c], [b, c])  # though both are copies of the third
    assert keys(rows.duplicates(of=rows.filter(pk=c))) == [group]
    assert keys(rows.filter(pk__in=[a, b, other]).duplicates()) == []
    call_command("visualsnoop_duplicates")
    assert capsys.readouterr().out.startswith("2 of testapp.Product, rank 0")

    for row in copies:
        row.photo.save("again.png", picture(1 if row.pk != other else 2))
    sweep(using="default")
    assert rows.list_not_duplicates() == [(a, b)]
    assert rows.unmark_not_duplicates(copies[:2]) == 1
    assert rows.unmark_not_duplicates(copies[:2]) == 0
    assert keys(rows.duplicates()) == [[a, b, c]]


def test_all_pairs_of_a_group_and_without_blocking(copies: list[Product]) -> None:
    product(1)  # has no picture in the collection yet
    rows = FeaturedProduct.objects.all()
    assert async_to_sync(rows.amark_not_duplicates)(Product.objects.all()) == 6
    assert len(async_to_sync(rows.alist_not_duplicates)()) == 6
    assert keys(rows.duplicates()) == []
    assert async_to_sync(rows.aunmark_not_duplicates)(copies[:2]) == 1
    assert keys(rows.duplicates()) == [sorted(row.pk for row in copies[:2])]


def test_rows_with_several_pictures() -> None:
    """They are apart if one of their pairs is marked, and no other pair is a copy."""
    a, b, c = articles = [
        Article.objects.create(cover=picture(1), thumbnail=picture(number)) for number in (2, 3, 2)
    ]
    sweep(using="default")
    rows = Article.objects.all()
    assert rows.mark_not_duplicates(articles, field="cover") == 3
    assert len(rows.list_not_duplicates()) == 3
    assert rows.list_not_duplicates(field="thumbnail") == []
    assert keys(rows.duplicates()) == [sorted([a.pk, c.pk])]
    assert rows.mark_not_duplicates([a, b, c]) > 0
    assert len(rows.list_not_duplicates()) == 3
    assert keys(rows.duplicates()) == []


def test_bad_rows_are_refused(copies: list[Product]) -> None:
    rows = Product.objects.all()
    for change in (rows.mark_not_duplicates, rows.unmark_not_duplicates):
        with pytest.raises(ValueError, match=r"Give 2 to 500 different rows, not 1\."):
            change([copies[0], copies[0]])
        with pytest.raises(ValueError, match=r"no primary key\. Save the row first"):
            change([copies[0], Product()])
        for stranger in (copies[0].pk, Document(code="a")):
            with pytest.raises(TypeError, match=r"Give rows of testapp.Product, .*, not "):
                change([copies[0], stranger])
        with pytest.raises(ValueError, match="photos"):
            change(copies, field="photos")
    assert rows.list_not_duplicates() == []


def test_a_collection_that_does_not_support_marks(recorder: RecorderCollection) -> None:
    rows = [product(1), product(1)]
    sweep(using="default")
    for change in (Product.objects.mark_not_duplicates, Product.objects.unmark_not_duplicates):
        with pytest.raises(
            UnsupportedSearch, match=r"'default' does not support .*LocalCollection"
        ):
            change(rows)
    pairs = [("a", "b")]
    for call in (recorder.mark_not_duplicates, recorder.unmark_not_duplicates):
        with pytest.raises(UnsupportedSearch):
            call(pairs)
    assert Product.objects.list_not_duplicates() == []
    assert collections["default"].get_change_token() is None
    assert collections["default"].count_changes_since("1") is None
