"""Bulk operations keep the collection in step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asgiref.sync import async_to_sync
from django.db.models import F

from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync import worker
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Article, Listing, Poster, Product, Shop

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def sync_all() -> None:
    worker.sweep(using="default")
    assert {record.state for record in SyncRecord.objects.all()} <= {SyncRecord.State.IN_SYNC}


def waiting() -> set[str]:
    return {
        record.object_id
        for record in SyncRecord.objects.all()
        if record.state == SyncRecord.State.WAITING
    }


def test_bulk_create_costs_one_write_for_all(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(2):
        rows = Product.objects.bulk_create(
            [Product(photo=picture(number)) for number in range(3)] + [Product(name="no picture")]
        )
    assert waiting() == {str(row.pk) for row in rows[:3]}


def test_bulk_create_that_updates_requests_again() -> None:
    row = Article.objects.create(cover=picture(1))
    sync_all()
    Article.objects.bulk_create(
        [Article(pk=row.pk, cover=picture(2))],
        update_conflicts=True,
        update_fields=["cover"],
        unique_fields=["id"] if _takes_target() else None,
    )
    assert waiting() == {str(row.pk)}


def test_bulk_update_costs_one_write_for_all() -> None:
    rows = [product(number) for number in range(3)]
    sync_all()
    for row in rows[:2]:
        row.photo = "elsewhere.png"
    Product.objects.bulk_update(rows[:2], ["photo"])
    assert waiting() == {str(row.pk) for row in rows[:2]}


def test_bulk_update_of_other_fields_costs_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = product()
    sync_all()
    with django_assert_num_queries(1):
        Product.objects.bulk_update([row], ["name"])
    assert not waiting()


def test_update_requests_the_rows_it_matched() -> None:
    rows = [product(number, name="old") for number in range(3)]
    rows[2].name = "other"
    rows[2].save()
    sync_all()
    # After the update, its own filter matches nothing.
    Product.objects.filter(name="old").update(name="new", photo="elsewhere.png")
    assert waiting() == {str(row.pk) for row in rows[:2]}


def test_update_of_other_fields_costs_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    product()
    sync_all()
    with django_assert_num_queries(1):
        Product.objects.update(name=F("name"))
    assert not waiting()


def test_update_through_a_join_and_a_related_manager() -> None:
    shop = Shop.objects.create(name="corner")
    row = product(shop=shop)
    product(2)
    sync_all()
    Product.objects.filter(shop__name="corner").update(photo="elsewhere.png")
    assert waiting() == {str(row.pk)}
    sync_missing_files()
    shop.products.update(photo="another.png")
    assert waiting() == {str(row.pk)}


def sync_missing_files() -> None:
    worker.sweep(using="default")


def test_update_of_a_child_concerns_the_parents_record() -> None:
    row = Poster.objects.create(photo=picture())
    sync_all()
    Poster.objects.filter(artist="").update(photo="elsewhere.png", artist="x")
    assert waiting() == {str(row.pk)}


def test_update_that_may_turn_a_condition_requests() -> None:
    row = Listing.objects.create(photo=picture())
    sync_all()
    Listing.objects.update(title="renamed")
    assert not waiting()
    Listing.objects.update(published=False)
    assert waiting() == {str(row.pk)}


def test_queryset_delete_removes_from_the_collection(recorder: RecorderCollection) -> None:
    rows = [product(number) for number in range(3)]
    sync_all()
    Product.objects.filter(pk__in=[row.pk for row in rows[:2]]).delete()
    sync_all()
    assert set(recorder.images) == {f"testapp.product.photo:{rows[2].pk}"}


def test_writes_go_where_the_queryset_says() -> None:
    rows = Product.objects.using("other").bulk_create([Product(photo=picture())])
    assert SyncRecord.objects.using("other").count() == 1
    Product.objects.using("other").update(photo="elsewhere.png")
    assert not SyncRecord.objects.exists()
    Product.objects.using("other").all().delete()
    assert not SyncRecord.objects.exists()
    assert SyncRecord.objects.using("other").get().object_id == str(rows[0].pk)


def test_asynchronous_saves_and_updates_are_followed() -> None:
    async_to_sync(_save_and_update)()


async def _save_and_update() -> None:
    row = await Product.objects.acreate(photo=picture())
    record = await SyncRecord.objects.aget()
    await Product.objects.filter(pk=row.pk).aupdate(photo="elsewhere.png")
    assert (await SyncRecord.objects.aget()).generation != record.generation


def test_a_projects_own_queryset_composes() -> None:
    Listing.objects.create(photo=picture(), published=True)
    sync_all()
    assert Listing.objects.published().copies_of(picture()).count() == 1
    assert record_of(Listing.objects.published().get()).wanted


def _takes_target() -> bool:
    from django.db import connection

    return connection.features.supports_update_conflicts_with_target


@pytest.mark.parametrize("named", ["shop", "shop_id"])
@pytest.mark.parametrize("changed", ["shop", "shop_id"])
def test_a_condition_may_name_a_foreign_key_or_its_column(
    monkeypatch: pytest.MonkeyPatch, named: str, changed: str
) -> None:
    monkeypatch.setattr(Product.VisualSnoop, "condition_fields", [named], raising=False)
    monkeypatch.setattr(Product, "visualsnoop_should_index", lambda self: self.shop_id is not None)
    monkeypatch.setattr("django_visualsnoop.indexed.options._cache", {})
    shop = Shop.objects.create(name="here")
    row = product(1)
    sync_all()
    row.shop = shop
    row.save(update_fields=[changed])
    assert waiting() == {str(row.pk)}
    sync_all()
    Product.objects.update(**{changed: None})
    assert waiting() == {str(row.pk)}
    sync_all()
    Product.objects.bulk_update([row], [changed])
    assert waiting() == {str(row.pk)}
