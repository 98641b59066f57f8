"""What a merge would do is said before, and nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import connection

from django_visualsnoop.exceptions import MergeError
from django_visualsnoop.merging import plan_merge
from django_visualsnoop.merging.plan import plan_merges
from tests.fixtures import lose
from tests.merging.graphs import dump, items
from tests.testapp.models import Document
from tests.testapp.relations import (
    Category,
    Comment,
    Credit,
    Details,
    Invoice,
    Item,
    Mark,
    Note,
    Offer,
    Pair,
    Place,
    Rank,
    Reply,
    Seat,
    Shelf,
    SpecialItem,
    Stock,
    Visit,
    Vote,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from django_visualsnoop.merging import RelatedRows

pytestmark = pytest.mark.django_db


def counts(rows: Iterable[RelatedRows]) -> dict[str, int]:
    return {one.label: one.count for one in rows}


def test_every_kind_of_relation_is_found() -> None:
    kept, other, third = items(3)
    other.categories.add(Category.objects.create())
    other.friends.add(third)
    Item.objects.filter(pk=third.pk).update(main=other)
    Place.objects.create(item=other, shelf=Shelf.objects.create())
    Offer.objects.create(item=other, price=1, made_at="2026-01-01T00:00:00Z")
    Comment.objects.create(item=other)
    Visit.objects.create(item=other)
    Invoice.objects.create(item=other)
    Details.objects.create(item=other)
    Stock.objects.create(item=other, count=3)
    Rank.objects.create(item=other, year=2026, place=1)
    Pair.objects.create(left=other, right=third)
    Mark.objects.create(target=other, word="a")
    Note.objects.create(target=other)
    before = dump()
    plan = plan_merge(kept, [other])
    assert counts(plan.moves) == {
        "Item: categories": 1,
        "Item: friends": 2,  # a link and its mirror image
        "Items": 1,
        "Places": 1,
        "Offers": 1,
        "Comments": 1,
        "Visits": 1,
        "Invoices": 1,
        "Detailss": 1,
        "Stocks": 1,
        "Ranks": 1,
        "Pairs": 1,
        "Marks": 1,
        "Notes": 1,
    }
    assert plan.conflicts == plan.repeated == plan.deleted == plan.protected == []
    assert dump() == before


def test_conflicts_are_found_by_each_kind_of_constraint() -> None:
    kept, other = items()
    for n, one in enumerate((kept, other)):
        Vote.objects.create(item=one, voter=("Ann", "ann")[n])
        Seat.objects.create(item=one, number=1)
        Seat.objects.create(item=one, number=2, active=False)
        Stock.objects.create(item=one, count=n)
        Rank.objects.create(item=one, year=2026, place=n)
        Mark.objects.create(target=one, word="a")
    plan = plan_merge(kept, [other])
    assert counts(plan.conflicts) == {"Votes": 1, "Stocks": 1, "Ranks": 1}
    assert counts(plan.moves) == {"Seats": 1}
    assert counts(plan.repeated) == {"Marks": 1, "Seats": 1}
    assert counts(plan.deleted) == counts(plan.conflicts)


def test_of_rows_that_collide_the_first_ones_moves() -> None:
    kept, first, second = items(3)
    for one in (second, first):
        Details.objects.create(item=one, text=one.sku)
    (movement,) = plan_merge(kept, [first, second]).movements
    assert movement.moving == {first.pk: [Details.objects.get(item=first).pk]}
    assert movement.conflicting == [Details.objects.get(item=second).pk]


def test_a_repeated_row_that_others_refer_to_is_a_conflict() -> None:
    """Marks of a mark would be lost with it."""
    kept, other = items()
    for one in (kept, other):
        mark = Mark.objects.create(target=one, word="a")
    assert counts(plan_merge(kept, [other]).repeated) == {"Marks": 1}
    Note.objects.create(target=mark)
    assert counts(plan_merge(kept, [other]).conflicts) == {"Marks": 1}


def test_what_a_deletion_takes_along_and_what_prevents_it() -> None:
    other, *_ = items(1)
    for _ in range(2):
        Reply.objects.create(comment=Comment.objects.create(item=other))
    Mark.objects.create(target=other, word="a")
    Visit.objects.create(item=other)
    Note.objects.create(target=other)
    Invoice.objects.create(item=other)
    plan = plan_merge(None, [other])
    assert counts(plan.deleted) == {"Comments": 2, "Replys": 2, "Marks": 1}
    assert counts(plan.protected) == {"Invoices": 1}
    assert (plan.moves, plan.conflicts, plan.fillable) == ([], [], {})


def test_a_childs_columns_are_the_rows_own() -> None:
    kept, *_ = items(1)
    special, other = (SpecialItem.objects.create(sku=sku) for sku in "ab")
    Credit.objects.create(special=other)
    plan = plan_merge(kept, Item.objects.exclude(pk=kept.pk))
    assert counts(plan.conflicts) == {"Special items": 2}
    assert counts(plan.deleted) == {"Credits": 1}
    plan = plan_merge(Item.objects.get(pk=special.pk), [kept, Item.objects.get(pk=other.pk)])
    assert (plan.conflicts, plan.deleted, counts(plan.moves)) == ([], [], {"Credits": 1})
    assert counts(plan_merge(None, Item.objects.filter(pk=other.pk)).deleted) == {"Credits": 1}


def test_a_generic_key_counts_with_its_content_type_only() -> None:
    item, *_ = items(1)
    kept, other = (Mark.objects.create(target=item, word=word) for word in "ab")
    Mark.objects.filter(pk=kept.pk).update(object_id=other.pk)  # of an item that has the same key
    kept.refresh_from_db()
    assert plan_merge(kept, [other]).moves == []
    Mark.objects.create(target=other, word="c")
    assert counts(plan_merge(kept, [other]).moves) == {"Marks": 1}


def test_empty_fields_are_filled_from_the_first_row_with_a_value() -> None:
    kept, first, second = items(3)
    Item.objects.filter(pk=first.pk).update(photo="picture.png", main=kept)
    Item.objects.filter(pk=second.pk).update(name="Lamp", manual="manual.pdf", code="unique")
    kept.refresh_from_db()
    plan = plan_merge(kept, [Item.objects.get(pk=one.pk) for one in (first, second)])
    found = {name: (fill.value, fill.source) for name, fill in plan.fillable.items()}
    assert found == {
        "name": ("Lamp", second),
        "code": ("unique", second),
        "manual": ("manual.pdf", second),
    }
    assert plan.fillable["manual"].label == "Manual"


def test_the_bytes_of_files_that_no_row_keeps(media: Path) -> None:
    kept, other = items()
    other.manual.save("manual.pdf", ContentFile(b"12345"))
    other.photo.save("photo.png", ContentFile(b"123"))
    assert plan_merge(kept, [other]).freed_bytes == 8
    assert plan_merge(kept, [other], fill=["manual"]).freed_bytes == 3
    lose(other.photo)
    assert plan_merge(kept, [other]).freed_bytes is None


def test_values_that_only_the_database_takes_for_equal() -> None:
    """Some databases find other letters, too; a plan for one merge takes what they find."""
    rows = [Document.objects.create(code=code) for code in "abcd"]
    kind = ContentType.objects.get_for_model(Document)
    for code in "BD":
        Mark.objects.create(content_type=kind, object_id=code, word="new")
    merges = [(rows[0], [rows[1]]), (rows[2], [rows[3]])]
    found = [counts(plan.moves) for plan in plan_merges(merges)]
    assert found == [counts(plan_merge(*merge).moves) for merge in merges]
    assert all(found) == (connection.vendor == "mysql")


def test_plans_at_once_are_of_one_model() -> None:
    (one, two), (three, four) = items(2), [Shelf.objects.create() for _ in range(2)]
    assert plan_merges([]) == []
    with pytest.raises(MergeError, match=r"one model, not testapp\.Item, testapp\.Shelf\."):
        plan_merges([(one, [two]), (three, [four])])
