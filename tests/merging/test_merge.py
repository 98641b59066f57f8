"""Related rows move to the kept row, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_visualsnoop.exceptions import MergeConflict, MergeError
from django_visualsnoop.merging import merge_rows, plan_merge, undo
from django_visualsnoop.signals import rows_merged
from tests.receivers import received
from tests.testapp.models import Product, Range, Review
from tests.testapp.relations import (
    Category,
    Comment,
    Credit,
    Details,
    Invoice,
    Item,
    ItemProxy,
    Mark,
    Note,
    Offer,
    Place,
    Seat,
    Shelf,
    SpecialItem,
    Stock,
    Visit,
    Vote,
)

pytestmark = pytest.mark.django_db


def items(count: int = 2) -> list[Item]:
    return [Item.objects.create(sku=f"sku{n}") for n in range(count)]


def test_every_kind_of_relation_moves() -> None:
    kept, other = items()
    category, shelf = Category.objects.create(), Shelf.objects.create()
    other.categories.add(category)
    friend = Item.objects.create(sku="friend")
    other.friends.add(friend)
    child = Item.objects.create(sku="child", main=other)
    Comment.objects.create(item=other)
    Visit.objects.create(item=other)
    Invoice.objects.create(item=other)
    Details.objects.create(item=other)
    Stock.objects.create(item=other, count=3)
    Offer.objects.create(item=other, price="1.50", made_at="2026-01-01T00:00:00Z")
    Place.objects.create(item=other, shelf=shelf, position=7)
    Mark.objects.create(target=other, word="a")
    Note.objects.create(target=other)
    plan = plan_merge(kept, [other])
    assert {one.label: one.count for one in plan.moves} == {
        "Item: categories": 1,
        "Item: friends": 1,
        "Items": 1,
        "Comments": 1,
        "Visits": 1,
        "Invoices": 1,
        "Detailss": 1,
        "Stocks": 1,
        "Offers": 1,
        "Places": 1,
        "Marks": 1,
        "Notes": 1,
    }
    assert plan.conflicts == plan.deleted == plan.protected == plan.repeated == []
    merge_rows(kept, [other])
    assert not Item.objects.filter(pk=other.pk).exists()
