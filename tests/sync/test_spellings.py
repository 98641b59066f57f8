"""Which records a worker requests beside those that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.spellings import request_other_spellings
from tests.testapp.models import Document, Product

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

SCAN = indexed_field(Document, "scan")


@pytest.fixture
def any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the keys of documents for a column that does not tell cases apart."""
    monkeypatch.setattr(Document._meta.pk, "db_collation", "any")


def given(**values: object) -> SyncRecord:
    return SyncRecord(id=SCAN.record_id("ABC"), object_id="ABC", **values)


@pytest.mark.usefixtures("any_case")
def test_the_row_that_was_found_is_requested() -> None:
    (requested,) = request_other_spellings(SCAN, [given()], ["abc"], using="default")
    assert requested == str(SCAN.record_id("abc"))
    assert SyncRecord.objects.get().object_id == "abc"


@pytest.mark.usefixtures("any_case")
def test_the_record_of_a_row_that_is_gone_is_requested() -> None:
    Document.objects.bulk_create(Document(code=code, scan="a.png") for code in ("abc", "abcd"))
    requested = request_other_spellings(SCAN, [given()], [], using="default")
    assert requested == {str(SCAN.record_id("abc"))}


@pytest.mark.usefixtures("any_case")
def test_ordinary_deletions_cost_no_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0):
        assert not request_other_spellings(SCAN, [given(applied=1)], [], using="default")
        assert not request_other_spellings(SCAN, [given()], ["ABC"], using="default")


def test_keys_that_are_no_text_cost_no_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    photo = indexed_field(Product, "photo")
    record = SyncRecord(id=photo.record_id("7"), object_id="7")
    with django_assert_num_queries(0):
        assert not request_other_spellings(photo, [record], [], using="default")
