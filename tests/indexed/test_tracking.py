"""Changes of a picture that pass by its field: its file is renamed, or written in place."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from tests.fixtures import picture, record_of
from tests.indexed.loading import loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testapp.models import Product


pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


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


def test_a_reloaded_file_has_no_change() -> None:
    row = loaded()
    row.photo.name = "elsewhere.png"
    row.refresh_from_db()
    assert not is_requested(row)
