"""What a save writes, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core import serializers
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_save
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import requests
from django_visualsnoop.sync import worker
from django_visualsnoop.sync.worker import sweep
from tests.fixtures import picture, product, record_of
from tests.indexed.loading import loaded
from tests.outbox.requested import generation, rolled_back
from tests.testapp.models import Article, Document, Listing, Poster, Product

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


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


def test_fixtures_leave_records() -> None:
    row = product()
    data = serializers.serialize("json", [row])
    SyncRecord.objects.all().delete()
    for one in serializers.deserialize("json", data):
        one.save()
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


def _fail(*args: object) -> None:
    raise RuntimeError("no upsert")


def test_a_row_written_over_that_of_another_database_is_followed() -> None:
    here = product(1)
    there = Product(pk=here.pk, photo=picture(2))
    there.save(using="other")
    worker.sweep(using="other")
    Product.objects.get(pk=here.pk).save(using="other", update_fields=["name"])
    assert not SyncRecord.objects.using("other").filter(SyncRecord.in_progress())
    Product.objects.get(pk=here.pk).save(using="other")
    assert SyncRecord.objects.using("other").filter(SyncRecord.in_progress()).count() == 1


class _Primary:
    """What is read comes from a replica, and is written where it belongs."""

    def db_for_read(self, *_: object, **__: object) -> str:
        return "other"

    def db_for_write(self, *_: object, **__: object) -> str:
        return "default"


def test_a_row_from_a_replica_is_saved_without_a_request(settings: Settings) -> None:
    here = product(1)
    before = record_of(here).generation
    Product(pk=here.pk, photo=here.photo.name).save(using="other")
    settings.DATABASE_ROUTERS = [_Primary()]
    row = Product.objects.get(pk=here.pk)
    assert row._state.db == "other"
    row.save()
    settings.DATABASE_ROUTERS = []
    assert record_of(here).generation == before


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_a_rollback_counts_in_the_database_that_was_written() -> None:
    row = product()
    row.save(using="other", force_insert=True)
    record = SyncRecord.objects.using("other").get()
    row.photo = picture(2)
    with transaction.atomic(using="other"):
        row.save(using="other")
        transaction.set_rollback(True, using="other")
    row.save(using="other")
    assert SyncRecord.objects.using("other").get().generation != record.generation


@pytest.mark.django_db(transaction=True)
def test_a_save_is_one_transaction_without_savepoints() -> None:
    row = loaded()
    row.photo = picture(2)
    poster = Poster.objects.create(photo=picture(3))
    poster.photo = picture(4)
    for instance, update_fields in ((row, None), (poster, ["photo"])):
        with CaptureQueriesContext(connection) as captured:
            instance.save(update_fields=update_fields)
        assert not [one for one in captured if "SAVEPOINT" in one["sql"]]
