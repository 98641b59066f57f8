"""The row to resume after, and tables that are missing; the rest is tested with the command."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError

from django_visualsnoop.indexed.options import IndexedField, indexed_field, indexed_fields
from django_visualsnoop.management.selection import (
    Start,
    check_model_tables,
    parse_start,
    select_fields,
    write_start,
)
from tests.testapp.models import Article, Document, Product

PHOTO = indexed_field(Product, "photo")
SCAN = indexed_field(Document, "scan")
COVER = indexed_field(Article, "cover")
KEY = uuid4()


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("field", "key"),
    [(PHOTO, 7), (PHOTO, -7), (COVER, KEY), (SCAN, "a:b c'd"), (SCAN, "-x"), (SCAN, "ü/%")],
)
def test_what_is_written_can_be_read(field: object, key: object, several: bool) -> None:
    fields = [COVER, SCAN, PHOTO] if several else [field]
    text = write_start(field, key, fields)  # type: ignore[arg-type]
    assert (":" in text.removesuffix(str(key))) is several
    assert parse_start(text, fields) == Start(field, key)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["7.5", "", str(2**70)])
def test_no_key(text: str) -> None:
    with pytest.raises(CommandError, match="is not a valid key of testapp"):
        parse_start(text, [PHOTO])


@pytest.mark.parametrize(
    ("field", "text", "key"),
    [
        (PHOTO, "007", 7),
        (COVER, "6F0A9BD26D0C4E5C8C1E1C8F6A1D7F43", UUID("6f0a9bd2-6d0c-4e5c-8c1e-1c8f6a1d7f43")),
    ],
)
def test_a_key_may_be_spelled_in_any_way(field: IndexedField, text: str, key: object) -> None:
    assert parse_start(text, [field]) == Start(field, key)


def test_fields_come_once_and_in_one_order() -> None:
    found = select_fields(
        ["testapp.Poster", "testapp.Product", "testapp", "twins"], collection=None, field=None
    )
    assert [str(field) for field in found] == sorted({str(field) for field in found})
    assert found == select_fields([], collection=None, field=None)


@pytest.mark.django_db
def test_a_model_without_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Product._meta, "db_table", "testapp_nowhere")
    with pytest.raises(CommandError) as caught:
        check_model_tables(indexed_fields(Product), "default")
    assert str(caught.value) == (
        "The database 'default' has no table testapp_nowhere, which testapp.Product needs. Type: "
        "python manage.py makemigrations testapp, then: python manage.py migrate --database default"
    )
