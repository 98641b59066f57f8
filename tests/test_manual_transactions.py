"""``transaction.set_autocommit(False)``: the project commits and rolls back by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction

from django_visualsnoop.models import SyncRecord
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Document, Product
from tests.twins.models import FollowedItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("recorder")]


@pytest.fixture
def manual() -> Iterator[None]:
    transaction.set_autocommit(False)
    yield
    transaction.rollback()
    transaction.set_autocommit(True)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "save a new row": lambda row: Document.objects.create(code="a", scan=picture(2)),
    "save another picture": lambda row: row.photo.save("other.png", picture(2)),
    "update": lambda row: Product.objects.update(photo="other.png"),
    "bulk_create": lambda row: Product.objects.bulk_create([Product(photo="other.png")]),
    "delete": lambda row: Product.objects.all().delete(),
}


def everything() -> list[Any]:
    rows = [*Product.objects.values_list("pk", "photo"), *Document.objects.values_list("pk")]
    return [*rows, *SyncRecord.objects.order_by("pk").values_list("pk", "generation")]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_rollback_takes_all_of_it_back(change: Callable[[Any], Any]) -> None:
    row = product(1)
    before = everything()
    transaction.set_autocommit(False)
    try:
        change(row)
        assert everything() != before
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert everything() == before


@pytest.mark.usefixtures("manual")
def test_what_is_committed_has_its_record() -> None:
    row = product(1)
    transaction.commit()
    before = record_of(row).generation
    row.photo = picture(2)
    row.save()
    transaction.commit()
    assert record_of(row).generation != before


@pytest.mark.usefixtures("manual")
def test_an_error_leaves_the_transaction_as_it_is_without_us() -> None:
    FollowedItem.objects.create(code="a", photo="a.png")
    with pytest.raises(IntegrityError):
        FollowedItem.objects.create(code="a", photo="b.png")
    if connection.vendor == "postgresql":  # the server itself has ended it
        return
    assert FollowedItem.objects.count() == 1
