"""What each way of changing a row writes, and what it costs."""

from __future__ import annotations

import copy
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.core import serializers
from django.core.files.base import ContentFile
from django.db import connection, models, transaction
from django.db.models.signals import post_save, pre_save
from django.forms import modelform_factory

from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import requests
from django_visualsnoop.outbox.pausing import is_paused, sync_paused
from django_visualsnoop.sync.worker import sweep
from tests.collections.contract import image
from tests.fixtures import lose, picture, product, record_of
from tests.testapp.models import Article, Document, FeaturedProduct, Listing, Poster, Product, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoAssertNumQueries

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def generation(row: models.Model, field: str = "photo") -> int:
    return record_of(row, field).generation


def test_a_new_image_is_requested() -> None:
    row = product()
    record = record_of(row)
    assert record.state == SyncRecord.State.WAITING
    assert (record.collection, record.model, record.field) == (
        "default",
        "testapp.product",
        "photo",
    )
    assert (record.object_id, record.image_id) == (str(row.pk), f"testapp.product.photo:{row.pk}")
    assert record.wanted


def test_a_new_image_costs_one_write(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2) as captured:
        product()
    assert [query["sql"].split()[0] for query in captured.captured_queries] == ["INSERT", "INSERT"]


def test_a_replaced_image_costs_one_write(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    row.photo = picture(2)
    with django_assert_num_queries(2):
        row.save()
    assert generation(row) != before


def test_a_new_row_without_image_costs_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        Product.objects.create(name="no picture")
    assert not SyncRecord.objects.exists()


def test_an_unchanged_row_that_was_deleted_meanwhile_is_requested_when_saved_again() -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    Product.objects.filter(pk=row.pk).delete()
    row.save()
    assert generation(row) != before
    assert record_of(row).wanted


def test_a_plain_save_costs_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    row.name = "renamed"
    with django_assert_num_queries(1):
        row.save()
    assert row.photo.name  # looking at the file is no change
    with django_assert_num_queries(1):
        row.save()
    assert generation(row) == before


def test_a_save_pays_for_no_receiver() -> None:
    """Two empty ones would cost a plain save on SQLite three per cent."""
    assert not pre_save.has_listeners(Product)
    assert not post_save.has_listeners(Product)


@pytest.mark.parametrize("raw", [False, True])
def test_a_fixture_comes_past_model_save(raw: bool) -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    if not raw:
        row.photo = "elsewhere.png"
    models.Model.save_base(row, raw=raw)
    assert generation(row) != before


def test_update_fields_without_the_image_cost_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Product.objects.get(pk=product().pk)
    row.photo = picture(2)
    with django_assert_num_queries(1):
        row.save(update_fields=["name"])
    before = generation(row)
    row.save()  # now the assignment is saved
    assert generation(row) != before


def test_deferred_fields_are_not_loaded(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    row = Product.objects.only("name").get(pk=product().pk)
    row.name = "renamed"
    with django_assert_num_queries(1):
        row.save()
    assert "photo" in row.get_deferred_fields()


def test_a_deferred_field_that_was_loaded_is_no_change(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Product.objects.only("name").get(pk=product().pk)
    assert row.photo.name
    with django_assert_num_queries(1):
        row.save()


def test_a_deferred_field_that_was_assigned_is_a_change() -> None:
    row = Product.objects.only("name").get(pk=product().pk)
    before = generation(row)
    row.photo = picture(2)
    row.save()
    assert generation(row) != before


def test_refreshing_forgets_an_assignment(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Product.objects.get(pk=product().pk)
    row.photo = "elsewhere.png"
    row.refresh_from_db()
    with django_assert_num_queries(1):
        row.save()


def test_a_form_that_leaves_the_file_alone_is_no_change(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Product.objects.get(pk=product().pk)
    form = modelform_factory(Product, fields=["name", "photo"])({"name": "renamed"}, instance=row)
    assert form.is_valid()
    with django_assert_num_queries(1):
        form.save()


def test_a_form_that_clears_the_file_is_a_change() -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    data = {"name": "renamed", "photo-clear": "on"}
    form = modelform_factory(Product, fields=["name", "photo"])(data, instance=row)
    assert form.is_valid()
    form.save()
    assert generation(row) != before


def test_other_content_under_the_same_name_is_a_change() -> None:
    row = Product.objects.get(pk=product().pk)
    before, name = generation(row), row.photo.name
    lose(row.photo)
    row.photo.save("scene1.png", ContentFile(image(2)))
    assert row.photo.name == name
    assert generation(row) != before


@pytest.mark.parametrize(
    "clear", [lambda row: row.photo.delete(), lambda row: row.photo.delete(save=False)]
)
def test_deleting_the_file_is_a_change(clear: Any) -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    clear(row)
    row.save()
    assert generation(row) != before


@pytest.mark.parametrize("duplicate", [copy.copy, lambda row: pickle.loads(pickle.dumps(row))])
def test_a_copied_instance_remembers_its_assignments(duplicate: Any) -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    row.photo = "elsewhere.png"
    duplicate(row).save()
    assert generation(row) != before


def test_an_instance_built_over_an_existing_key_is_a_change() -> None:
    row = product()
    before = generation(row)
    Product(pk=row.pk, photo="elsewhere.png").save()
    assert generation(row) != before


def test_a_row_copied_by_clearing_its_key_is_indexed() -> None:
    row = Product.objects.get(pk=product().pk)
    row.pk = None
    row.save()
    assert SyncRecord.objects.count() == 2


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
    # Select, children, delete, requests; and SQLite first takes its lock.
    expected = 5 if connection.vendor == "sqlite" else 4
    with django_assert_num_queries(expected) as captured:
        Product.objects.all().delete()
    written = [query["sql"] for query in captured.captured_queries]
    assert sum('INTO "visualsnoop_syncrecord' in sql.replace("`", '"') for sql in written) == 1
    assert SyncRecord.objects.filter(wanted=False).count() == 5


def test_fixtures_leave_records() -> None:
    row = product()
    data = serializers.serialize("json", [row])
    SyncRecord.objects.all().delete()
    for loaded in serializers.deserialize("json", data):
        loaded.save()
    assert record_of(row).state == SyncRecord.State.WAITING


def test_several_image_fields_have_records_of_their_own() -> None:
    row = Article.objects.create(cover=picture(1), thumbnail=picture(2))
    cover, thumbnail = generation(row, "cover"), generation(row, "thumbnail")
    row = Article.objects.get(pk=row.pk)
    row.cover = picture(3)
    row.save()
    assert generation(row, "cover") != cover
    assert generation(row, "thumbnail") == thumbnail


def test_a_string_key_too_long_for_any_collection_does_not_fail_the_save() -> None:
    row = Document.objects.create(code="k" * 120, scan=picture())
    assert record_of(row, "scan").image_id == "scan/" + "k" * 120


def test_a_field_that_is_not_indexed_is_left_alone(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        Document.objects.create(code="a", stamp=picture())
    assert not SyncRecord.objects.exists()


def test_a_proxy_writes_the_record_of_its_model() -> None:
    row = FeaturedProduct.objects.create(photo=picture())
    assert record_of(row).model == "testapp.product"
    before = generation(row)
    FeaturedProduct.objects.get().delete()
    assert SyncRecord.objects.get().generation != before


def test_a_child_writes_the_record_of_its_parent() -> None:
    row = Poster.objects.create(artist="unknown", photo=picture())
    assert record_of(row).model == "testapp.product"
    parent = Product.objects.get(pk=row.pk)
    before = generation(parent)
    parent.photo = picture(2)
    parent.save()
    assert generation(row) != before
    before = generation(row)
    Poster.objects.get().delete()
    assert SyncRecord.objects.get().generation != before


def test_the_record_lies_in_the_database_of_the_row() -> None:
    Product.objects.using("other").create(photo=picture())
    assert SyncRecord.objects.using("other").count() == 1
    assert not SyncRecord.objects.exists()


def test_a_condition_that_turns_costs_one_write_and_one_that_stands_changes_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Listing.objects.get(pk=Listing.objects.create(photo=picture()).pk)
    sweep(using="default")
    before = generation(row)
    with django_assert_num_queries(2):
        row.save()
    assert generation(row) == before
    row.published = False
    with django_assert_num_queries(2):
        row.save()
    turned = generation(row)
    assert turned != before
    assert not record_of(row).wanted
    row.published = True
    row.save()
    assert generation(row) not in (before, turned)


def test_a_save_that_cannot_turn_the_condition_costs_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Listing.objects.get(pk=Listing.objects.create(photo=picture()).pk)
    with django_assert_num_queries(1):
        row.save(update_fields=["title"])


def test_nothing_is_written_while_paused() -> None:
    with sync_paused():
        with sync_paused():
            row = product()
        row.photo = picture(2)
        row.save()
        Product.objects.update(photo="elsewhere.png")
        assert is_paused()
    assert not is_paused()
    assert not SyncRecord.objects.exists()
    row.photo = picture(3)
    row.save()
    assert record_of(row)


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_row_and_request_are_one_transaction(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(requests, "_upsert", _fail)
        with pytest.raises(RuntimeError, match="no upsert"):
            product()
        assert not Product.objects.exists()

    def test_a_rolled_back_save_leaves_nothing_and_is_not_forgotten(self) -> None:
        row = Product.objects.get(pk=product().pk)
        before = generation(row)
        row.photo = picture(2)
        with rolled_back():
            row.save()
        assert generation(row) == before
        row.save()
        assert generation(row) != before

    def test_a_committed_save_is_done_with(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        row = Product.objects.get(pk=product().pk)
        row.photo = picture(2)
        row.save()
        with django_assert_num_queries(1):
            row.save()

    def test_an_assignment_made_before_the_commit_is_not_forgotten(self) -> None:
        row = Product.objects.get(pk=product().pk)
        with transaction.atomic():
            row.photo = picture(2)
            row.save()
            row.photo = "elsewhere.png"
        before = generation(row)
        row.save()
        assert generation(row) != before

    def test_a_rolled_back_savepoint_keeps_the_others_messages(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published: list[str] = []
        monkeypatch.setattr(
            "django_visualsnoop.outbox.dispatch.dispatch_records",
            lambda using, ids: published.extend(ids),
        )
        with transaction.atomic():
            with rolled_back():
                product(1)
            kept = product(2)
        assert str(record_of(kept).pk) in published

    def test_one_transaction_publishes_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        published: list[list[str]] = []
        monkeypatch.setattr(
            "django_visualsnoop.outbox.dispatch.dispatch_records",
            lambda using, ids: published.append(ids),
        )
        with transaction.atomic():
            rows = [product(number) for number in range(3)]
        assert published == [sorted(str(record_of(row).pk) for row in rows)]

    def test_a_rolled_back_transaction_publishes_nothing_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published: list[list[str]] = []
        monkeypatch.setattr(
            "django_visualsnoop.outbox.dispatch.dispatch_records",
            lambda using, ids: published.append(ids),
        )
        with rolled_back():
            product(1)
            product(2)  # SQLite gives the first one's primary key away again
            kept_by_others = list(connection.run_on_commit)  # as error reports keep frames
        row = product(3)
        assert published == [[str(record_of(row).pk)]]
        assert kept_by_others


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _fail(*args: object) -> None:
    raise RuntimeError("no upsert")
