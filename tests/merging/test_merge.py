"""Related rows move to the kept row, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.exceptions import MergeConflict, MergeError
from django_visualsnoop.merging import merge_rows, undo
from django_visualsnoop.models import Resolution
from django_visualsnoop.signals import rows_merged
from tests.merging.graphs import dump, items
from tests.receivers import received
from tests.test_concurrency import together
from tests.testapp.models import Product, Range, Review
from tests.testapp.relations import (
    Board,
    Category,
    Comment,
    Credit,
    Details,
    Invoice,
    Item,
    ItemProxy,
    Mark,
    Pair,
    Place,
    Shelf,
    SpecialItem,
)

pytestmark = pytest.mark.django_db


def test_what_refers_to_the_others_refers_to_the_kept_row() -> None:
    kept, first, second = items(3)
    category = Category.objects.create()
    for one in (kept, first):
        one.categories.add(category)
    Comment.objects.create(item=second)
    Details.objects.create(item=first)
    result = merge_rows(kept, [first, second])
    assert list(Item.objects.all()) == [kept]
    assert kept.categories.get() == category
    assert kept.comment_set.count() == 1
    assert Details.objects.get().item == kept
    assert [row.pk for row in result.removed] == [first.pk, second.pk]


def test_rows_with_data_that_cannot_move_stop_the_merge() -> None:
    kept, other = items()
    shelf = Shelf.objects.create()
    for position, one in enumerate((kept, other)):
        Place.objects.create(item=one, shelf=shelf, position=position)
        Details.objects.create(item=one, text=str(position))
    Comment.objects.create(item=other)
    before = dump()
    with pytest.raises(MergeConflict, match="Detailss: 1, Places: 1") as caught:
        merge_rows(kept, [other])
    assert {one.model for one in caught.value.conflicts} == {Details, Place}
    assert dump() == before
    result = merge_rows(kept, [other], delete_conflicting=True)
    assert Place.objects.get().position == 0
    assert kept.comment_set.count() == 1
    assert result.resolution is not None
    undo(result.resolution)
    assert dump() == before


def test_a_link_that_says_the_same_is_repeated_and_goes() -> None:
    kept, other = items()
    shelf = Shelf.objects.create()
    for one in (kept, other):
        Place.objects.create(item=one, shelf=shelf, position=1)
    result = merge_rows(kept, [other])
    assert [str(one) for one in result.plan.repeated] == ["Places: 1"]
    assert Place.objects.get().item == kept


def test_a_conflict_that_only_the_database_finds_stops_the_merge() -> None:
    kept, other, third = items(3)
    for left in (third, kept, third, third):
        Pair.objects.create(left=left, right=other)
    before = dump()
    # As in a view with ATOMIC_REQUESTS: catching the error commits no half of a merge.
    with transaction.atomic(), pytest.raises(MergeConflict, match="Pairs: 1"):
        merge_rows(kept, [other])
    assert dump() == before
    merge_rows(kept, [other], delete_conflicting=True)
    assert set(Pair.objects.values_list("left", "right")) == {(third.pk, kept.pk)}
    assert Pair.objects.count() == 3


def test_the_kept_row_does_not_come_to_refer_to_itself() -> None:
    kept, other, third = items(3)
    Item.objects.filter(pk=kept.pk).update(main=other)
    other.friends.add(kept, third)
    result = merge_rows(kept, [other, third])
    assert result.kept.main_id is None
    assert [str(one) for one in result.plan.repeated] == ["Item: friends: 4"]
    assert kept.friends.count() == 0


def test_a_row_with_a_childs_columns_is_not_merged_into_one_without() -> None:
    kept, *_ = items(1)
    special = SpecialItem.objects.create(sku="special", artist="Ann")
    Credit.objects.create(special=special)
    other = Item.objects.get(pk=special.pk)
    with pytest.raises(MergeConflict, match="Special items: 1"):
        merge_rows(kept, [other])
    Comment.objects.create(item=kept)
    merge_rows(other, [kept])
    assert special.comment_set.count() == 1


def test_children_are_merged_with_what_refers_to_them_and_to_their_parent() -> None:
    kept, other = (SpecialItem.objects.create(sku=sku) for sku in "ab")
    Credit.objects.create(special=other)
    Comment.objects.create(item=other)
    merge_rows(kept, [other])
    assert (kept.credit_set.count(), kept.comment_set.count()) == (1, 1)
    assert Item.objects.count() == 1


def test_filled_fields_come_from_a_row_that_is_gone() -> None:
    kept, other = items()
    Item.objects.filter(pk=other.pk).update(code="unique", manual="manual.pdf")
    result = merge_rows(kept, [other], fill=["code", "manual"])
    kept.refresh_from_db()
    assert (kept.code, kept.manual.name, kept.name) == ("unique", "manual.pdf", "")
    assert result.kept.code == "unique"
    with pytest.raises(MergeError, match=r"Item cannot be filled\. Fillable are: none"):
        merge_rows(kept, items(1, "new"), fill=["sku"])


def test_a_unique_value_of_a_row_that_stays_cannot_be_filled_in() -> None:
    kept, other = items()
    Item.objects.filter(pk=other.pk).update(code="unique")
    with pytest.raises(MergeError, match="cannot be filled: the database refused"):
        merge_rows(kept, [other], fill=["code"], remove=list)


def test_rows_may_be_hidden_instead() -> None:
    kept, other = items()
    Comment.objects.create(item=other)
    before = dump()

    def hide(rows: list[Any]) -> None:
        Item.objects.filter(pk__in=[row.pk for row in rows]).update(name="hidden")

    result = merge_rows(kept, [other], remove=hide)
    other.refresh_from_db()
    assert other.name == "hidden"
    assert kept.comment_set.count() == 1
    assert result.resolution is not None
    assert undo(result.resolution).restored == [other]
    assert dump() == before


def test_without_a_kept_row_the_others_are_only_deleted() -> None:
    for other in items():
        Comment.objects.create(item=other)
    before = dump()
    result = merge_rows(None, Item.objects.all())
    assert (Item.objects.count(), Comment.objects.count()) == (0, 0)
    assert result.resolution is not None
    assert (result.kept, result.resolution.kept_key()) == (None, None)
    undo(result.resolution)
    assert dump() == before


def test_what_the_database_deletes_comes_back_too() -> None:
    shelf = Shelf.objects.create()
    Board.objects.create(shelf=shelf)
    before = dump()
    resolution = merge_rows(None, [shelf]).resolution
    assert not Board.objects.exists()
    assert resolution is not None
    undo(resolution)
    assert dump() == before


def test_protected_rows_stop_a_deletion() -> None:
    other, *_ = items(1)
    Invoice.objects.create(item=other)
    with pytest.raises(MergeError, match=r"protected foreign keys: 'Invoice.item'"):
        merge_rows(None, [other])


def test_the_models_own_delete_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    deleted = []

    def delete(self: Item, *args: Any, **kwargs: Any) -> Any:
        deleted.append(self.pk)
        return super(Item, self).delete(*args, **kwargs)

    kept, other = items()
    key = other.pk
    monkeypatch.setattr(Item, "delete", delete)
    result = merge_rows(kept, [other])
    assert (deleted, result.removed[0].pk) == ([key], key)


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows() -> None:
    def queries(count: int) -> int:
        kept, other = items(2, f"of{count}-")
        Comment.objects.bulk_create([Comment(item=other) for _ in range(count)])
        with CaptureQueriesContext(
            connection,
        ) as captured:
            merge_rows(kept, [other])
        assert kept.comment_set.count() == count
        return len(captured)

    assert queries(1200) == queries(3) + 2 * 3  # two more statements, each in a savepoint


def test_the_signal_tells_what_was_merged_inside_the_transaction() -> None:
    kept, other = items()
    user = User(username="ann")
    with received(rows_merged) as told:
        result = merge_rows(kept, [other], user=user, label="two lamps")
    (one,) = told
    assert (one["sender"], one["kept"], one["removed"]) == (Item, kept, [other])
    assert (one["user"], one["using"]) == (user, "default")
    assert one["resolution"] == result.resolution == Resolution.objects.get()
    assert (one["resolution"].user, str(one["resolution"])) == ("ann", "two lamps")
    assert (one["resolution"].kept_key(), one["resolution"].removed_keys()) == (
        kept.pk,
        [other.pk],
    )


def test_an_error_of_a_receiver_undoes_the_merge() -> None:
    def broken(**kwargs: object) -> None:
        raise ZeroDivisionError

    kept, other = items()
    rows_merged.connect(broken)
    try:
        with pytest.raises(ZeroDivisionError):
            merge_rows(kept, [other])
    finally:
        rows_merged.disconnect(broken)
    assert Item.objects.count() == 2


def test_a_label_that_is_too_long() -> None:
    kept, other = items()
    with pytest.raises(MergeError, match="at most 255 characters, but this has 256"):
        merge_rows(kept, [other], label=256 * "x")


def test_no_record_without_an_undo() -> None:
    kept, other = items()
    assert merge_rows(kept, [other], undo_for=None).resolution is None
    assert not Resolution.objects.exists()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (0, "at least one row"),
        (1, "rows of testapp.Product and of testapp.Item"),
        (2, "testapp.Item is not saved"),
        (3, "testapp.Item is named twice"),
        (4, "testapp.Item 4711 no longer exists"),
    ],
)
def test_rows_that_cannot_be_merged(number: int, message: str) -> None:
    kept, *_ = items(1)
    others: list[list[Any]] = [
        [],
        [Product(pk=1)],
        [Item()],
        [ItemProxy(pk=kept.pk)],
        [Item(pk=4711)],
    ]
    with pytest.raises(MergeError, match=message):
        merge_rows(kept, others[number])


def test_reviews_and_ranges_of_products_survive() -> None:
    """The case of a shop whose editor deletes copies of a picture."""
    products = [Product.objects.create(name=str(n)) for n in range(24)]
    spring = Range.objects.create(name="spring")
    spring.products.set(products)
    for one in products:
        Review.objects.create(product=one)
    for first in range(0, 24, 4):
        merge_rows(products[first], products[first + 1 : first + 4])
    assert (Product.objects.count(), Review.objects.count()) == (6, 24)
    assert spring.products.count() == 6


@pytest.mark.django_db(databases=["default", "other"])
def test_rows_of_another_database() -> None:
    kept, other = (Item.objects.using("other").create(sku=sku) for sku in "ab")
    Mark.objects.db_manager("other").create(
        content_type=ContentType.objects.db_manager("other").get_for_model(Item),
        object_id=other.pk,
        word="a",
    )
    resolution = merge_rows(kept, [other]).resolution
    assert Mark.objects.using("other").get().object_id == str(kept.pk)
    assert resolution == Resolution.objects.using("other").get()
    assert undo(resolution).restored == [other]
    assert Mark.objects.using("other").get().object_id == str(other.pk)


@pytest.mark.django_db(transaction=True)
def test_of_two_editors_one_is_told_that_the_rows_are_gone() -> None:
    kept, *others = items(4)
    for one in others:
        Comment.objects.create(item=one)
    refused = []

    def merge(target: Item, removed: list[Item]) -> None:
        try:
            merge_rows(target, removed)
        except MergeError as error:
            refused.append(str(error))

    together(lambda: merge(kept, others), lambda: merge(others[0], [kept, *others[1:]]))
    (message,) = refused
    assert "no longer exists: perhaps someone has just merged" in message
    assert Item.objects.get().comment_set.count() == 3
    assert Resolution.objects.count() == 1
