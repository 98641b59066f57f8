"""An undo brings back what a merge changed, and leaves alone what has changed since."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.utils import timezone, translation

from django_visualsnoop.collections import collections
from django_visualsnoop.exceptions import UndoError
from django_visualsnoop.merging import merge_rows, undo
from django_visualsnoop.models import Resolution
from django_visualsnoop.signals import rows_restored
from django_visualsnoop.testing import sync_now
from tests.fixtures import lose, product
from tests.merging.graphs import dump, items
from tests.receivers import received
from tests.testapp.models import Product, Review
from tests.testapp.relations import Category, Comment, Item

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def merged(kept: Item, others: Iterable[Item], fill: Iterable[str] = ()) -> Resolution:
    resolution = merge_rows(kept, others, fill=list(fill)).resolution
    assert resolution is not None
    return resolution


def test_a_picture_returns_to_its_collection(media: Path) -> None:
    kept, other = product(1), product(1)
    Review.objects.create(product=other)
    sync_now()
    assert list(Product.objects.copies_of(kept)) == [other]
    resolution = merge_rows(kept, [other]).resolution
    sync_now()
    assert not Product.objects.copies_of(kept)
    assert len(list(collections["default"].iter_images())) == 1
    assert resolution is not None
    report = undo(resolution)
    sync_now()
    assert report.restored == list(Product.objects.copies_of(kept)) == [other]
    assert (report.missing_files, other.reviews.count()) == ([], 1)


def test_what_has_changed_since_is_left_alone() -> None:
    kept, other = items()
    third = Item.objects.create(sku="third")
    Item.objects.filter(pk=other.pk).update(name="Lamp", code="unique")
    category = Category.objects.create()
    other.categories.add(category)
    link = Item.categories.through.objects.get()
    kept.categories.add(category)  # so that the link of the other one is repeated
    moved, stays = (Comment.objects.create(item=other) for _ in range(2))
    resolution = merged(kept, [other], fill=["name", "code"])
    Comment.objects.filter(pk=moved.pk).update(item=third)
    Item.objects.filter(pk=kept.pk).update(name="Blue lamp")
    category_key = category.pk
    category.delete()
    report = undo(resolution)
    assert sorted(report.left_alone) == [
        "testapp.Comment.item_id: 1",
        "testapp.Item.name: 1",
        f"testapp.Item_categories {link.pk}: testapp.Category {category_key} no longer exists",
    ]
    stays.refresh_from_db()
    moved.refresh_from_db()
    kept.refresh_from_db()
    assert (stays.item, moved.item) == (other, third)
    assert (kept.name, kept.code) == ("Blue lamp", None)
    assert Item.objects.get(pk=other.pk).code == "unique"


def test_it_is_undone_once() -> None:
    kept, other = items()
    resolution = merged(kept, [other])
    undo(resolution)
    assert not resolution.can_be_undone
    with pytest.raises(UndoError, match="was undone at"):
        undo(Resolution.objects.get())


def test_not_when_it_is_too_late() -> None:
    kept, other = items()
    resolution = merged(kept, [other])
    Resolution.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(UndoError, match="could be undone until"):
        undo(resolution)
    Resolution.objects.all().delete()
    with pytest.raises(UndoError, match="could be undone until"):
        undo(resolution)


def test_not_over_rows_that_are_there_again() -> None:
    kept, other = items()
    Comment.objects.create(item=other)
    resolution = merged(kept, [other])
    Item.objects.create(pk=other.pk, sku="new")
    before = dump()
    with pytest.raises(UndoError, match=f"testapp.Item {other.pk} cannot be restored.* new row"):
        undo(resolution)
    Item.objects.filter(pk=other.pk).delete()
    Item.objects.create(sku=other.sku)
    with pytest.raises(UndoError, match="another row has one of its unique values"):
        undo(resolution)
    Item.objects.filter(sku=other.sku).delete()
    assert {**dump(), "testapp_item": 0} == {**before, "testapp_item": 0}
    undo(resolution)


def test_not_without_a_row_that_it_needs() -> None:
    kept, other = items()
    main = Item.objects.create(sku="main")
    Item.objects.filter(pk=other.pk).update(main=main)
    resolution = merged(kept, [other])
    key = main.pk
    main.delete()
    with pytest.raises(UndoError, match=f"refers to testapp.Item {key}, which no longer exists"):
        undo(resolution)


def test_not_if_the_project_has_lost_the_model() -> None:
    kept, other = items()
    resolution = merged(kept, [other])
    Resolution.objects.update(model="testapp.gone")
    with pytest.raises(UndoError, match="the project's models have changed"):
        undo(resolution)


def test_files_that_are_gone_are_named(media: Path) -> None:
    kept, other = product(1), product(2)
    name = other.photo.name
    resolution = merge_rows(kept, [other]).resolution
    lose(other.photo)
    assert resolution is not None
    assert undo(resolution).missing_files == [name]


def test_the_signal_tells_what_was_restored() -> None:
    kept, other = items()
    resolution = merged(kept, [other])
    user = User(username="ann")
    with received(rows_restored) as told:
        undo(resolution, user=user)
    (one,) = told
    assert (one["sender"], one["restored"], one["user"]) == (Item, [other], user)
    assert (one["using"], one["resolution"]) == ("default", resolution)


def test_reasons_are_translated(settings: Settings) -> None:
    settings.USE_TZ = False
    kept, other = items()
    resolution = merged(kept, [other])
    undo(resolution)
    with translation.override("de"), pytest.raises(UndoError, match=r"wurde am 20.* rückgängig"):
        undo(resolution)
