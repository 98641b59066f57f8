"""Changes of a picture that pass by its field: its file is renamed, or written in place."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync import worker
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Poster, Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.fixtures import Settings

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def loaded() -> Product:
    return Product.objects.get(pk=product().pk)


def is_requested(row: Product, **save: Any) -> bool:
    """Whether saving the row makes a new request."""
    before = record_of(row).generation
    row.save(**save)
    return record_of(row).generation != before


def through_pickle(row: Product) -> Product:
    found: Product = pickle.loads(pickle.dumps(row))
    return found


def write_in_place(row: Product, mode: str = "r+b") -> None:
    with row.photo.open(mode) as file:
        file.write(picture(2).read())


def test_looking_at_a_file_is_no_change() -> None:
    row = loaded()
    assert row.photo.name
    assert row.photo.read()
    row.photo.close()
    assert not is_requested(row)


@pytest.mark.parametrize("save", [{}, {"update_fields": ["photo"]}])
def test_a_renamed_file_is_followed(save: Any) -> None:
    row = loaded()
    row.photo.name = "elsewhere.png"
    assert not is_requested(row, update_fields=["name"])
    assert is_requested(row, **save)


@pytest.mark.parametrize("mode", ["wb", "r+b", "ab"])
def test_a_file_that_was_written_in_place_is_followed(mode: str) -> None:
    row = loaded()
    write_in_place(row, mode)
    assert is_requested(row)


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_what_is_committed_is_no_change_any_more() -> None:
    row = loaded()
    row.photo.name = "elsewhere.png"
    assert is_requested(row)
    assert not is_requested(row)
    row.photo.save("stored.png", picture(3), save=False)
    assert is_requested(row)
    write_in_place(row)
    assert is_requested(row)
    assert not is_requested(row)
    write_in_place(row)
    assert is_requested(row)


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
@pytest.mark.parametrize("change", ["rename", "write"])
def test_a_change_still_stands_after_a_rollback(change: str) -> None:
    row = loaded()
    if change == "rename":
        row.photo.name = "elsewhere.png"
    else:
        write_in_place(row)
    with transaction.atomic():
        row.save()
        transaction.set_rollback(True)
    assert is_requested(row)


@pytest.mark.parametrize("change", ["rename", "write", "assign"])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, through_pickle])
def test_a_copy_knows_what_has_changed(change: str, duplicate: Callable[[Any], Any]) -> None:
    row = loaded()
    assert not is_requested(duplicate(row))
    assert row.photo.name
    assert not is_requested(duplicate(row))
    if change == "rename":
        row.photo.name = "elsewhere.png"
    elif change == "write":
        write_in_place(row)
    else:
        row.photo = "elsewhere.png"
    assert is_requested(duplicate(row))


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


def test_a_reloaded_file_has_no_change() -> None:
    row = loaded()
    row.photo.name = "elsewhere.png"
    row.refresh_from_db()
    assert not is_requested(row)
