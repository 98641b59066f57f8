"""The row to resume after; the rest is tested with the command."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.core.management import CommandError

from django_visualsnoop.management.selection import Start, parse_start, select_fields, write_start
from django_visualsnoop.options import indexed_field
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


@pytest.mark.parametrize("text", ["7.5", "", "007", str(2**70)])
def test_no_key(text: str) -> None:
    with pytest.raises(CommandError, match="is no key of testapp"):
        parse_start(text, [PHOTO])


def test_fields_come_once_and_in_one_order() -> None:
    found = select_fields(
        ["testapp.Poster", "testapp.Product", "testapp", "twins"], collection=None, field=None
    )
    assert [str(field) for field in found] == sorted({str(field) for field in found})
    assert found == select_fields([], collection=None, field=None)
