"""Rows that were never indexed."""

from __future__ import annotations

from typing import Any

import pytest

from django_visualsnoop.health import health
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import unrecorded
from tests.problems import only
from tests.testapp.models import Document, Product

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_a_table_that_was_never_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    with sync_paused():
        Product.objects.bulk_create(Product(photo=f"{number}.png") for number in range(12))
        Product.objects.create(name="without a picture")
        Document.objects.create(code="a", scan="a.png")
    problem = only(health())
    assert (problem.code, problem.count) == ("unrecorded", 13)
    assert "1 of testapp.Document.scan, 12 of testapp.Product.photo" in problem.message
    assert problem.hint == (
        "Type: python manage.py visualsnoop_reindex testapp.Document testapp.Product --missing "
        "--database default"
    )
    monkeypatch.setattr(unrecorded, "MOST", 12)
    assert "12 or more of testapp.Product.photo" in only(health()).message


def test_rows_without_a_record_among_others_that_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrecorded, "SAMPLE", 2)
    Product.objects.bulk_create(Product(photo=f"{number}.png") for number in range(6))
    assert health().ok
    with sync_paused():
        Product.objects.create(photo="late.png")
    problem = only(health())
    assert "1 or more of testapp.Product.photo" in problem.message
    SyncRecord.objects.filter(object_id=str(Product.objects.order_by("pk")[0].pk)).delete()
    assert only(health()).count == 2


def test_a_row_that_is_deleted_while_the_probe_looks_is_no_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, gone = (Product.objects.create(photo="a.png") for _ in range(2))
    look = unrecorded._without_record

    def looks_too_late(*args: Any) -> Any:
        gone.delete()
        SyncRecord.objects.exclude(object_id=str(kept.pk)).delete()
        return look(*args)

    monkeypatch.setattr(unrecorded, "_without_record", looks_too_late)
    assert health().ok
