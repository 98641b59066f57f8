"""Groups by their rows, whatever the rows' keys are."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.models import ReviewGroup
from django_visualsnoop.review.search import search_within
from django_visualsnoop.review.selecting import filter_with_copies, select_containing
from tests.admin.pages import sweep
from tests.fixtures import picture
from tests.testapp.models import Article, Document, Label, Moment, Poster, Price, Product, Tag

if TYPE_CHECKING:
    from django.db.models import Model

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]


def make_rows(model: type[Any]) -> list[Model]:
    """Save three rows of a model: two are copies."""
    pictures = [picture(number) for number in (1, 1, 2)]
    if model is Article:
        return [Article.objects.create(cover=one) for one in pictures]
    if model is Document:
        codes = ("a", "A b", "1")
        return [
            Document.objects.create(code=code, scan=one)
            for code, one in zip(codes, pictures, strict=True)
        ]
    if model is Price:
        return [Price.objects.create(code=n, photo=one) for n, one in enumerate(pictures)]
    if model is Tag:
        return [
            Tag.objects.create(price=Price.objects.create(code=n), photo=one)
            for n, one in enumerate(pictures)
        ]
    if model is Label:
        return [Label.objects.create(slug=f"l{n}", photo=one) for n, one in enumerate(pictures)]
    if model is Moment:
        start = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
        return [
            Moment.objects.create(at=start + datetime.timedelta(hours=n), photo=one)
            for n, one in enumerate(pictures)
        ]
    return [model.objects.create(photo=one) for one in pictures]


@pytest.mark.parametrize(
    "model",
    [Product, Poster, Article, Document, Price, Tag, Label, Moment],
    ids=lambda m: m.__name__,
)
def test_keys_of_every_kind(model: type[Any]) -> None:
    one, copy, other = make_rows(model)
    sweep()
    search_within(model, Budget(), using="default")
    groups = ReviewGroup.objects.all()
    rows = model.objects.all()
    assert set(filter_with_copies(rows)) == {one, copy}
    assert select_containing(groups, rows.filter(pk=one.pk)).count() == 1
    assert select_containing(groups, rows.filter(pk=other.pk)).count() == 0
    assert select_containing(groups, rows.filter(pk__in=[one.pk, other.pk]), least=2).count() == 0
    assert select_containing(groups, rows, least=2).count() == 1
