"""The audit finds rows that changed without a request, and requests them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.sync.audit import audit
from django_visualsnoop.sync.worker import sweep
from tests.collections.contract import image
from tests.fixtures import grow_old, lose, picture, product, record_of
from tests.testapp.models import Product

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

State = SyncRecord.State


def replaced(row: Product, number: int) -> Product:
    """Give the row another picture through another instance; return the stale one."""
    stale = Product.objects.get(pk=row.pk)
    row.photo = picture(number)
    row.save()
    return stale


def test_a_stale_instance_saved_over_a_newer_row_is_found(recorder: RecorderCollection) -> None:
    row = product(1)
    stale = replaced(row, 2)
    sweep(using="default")
    stale.save()
    sweep(using="default")
    assert list(recorder.images.values()) == [image(2)]
    assert audit(using="default") == 1
    sweep(using="default")
    assert list(recorder.images.values()) == [image(1)]
    assert audit(using="default") == 0


def test_a_stale_instance_saved_over_a_picture_that_failed_is_found(
    recorder: RecorderCollection,
) -> None:
    row = product(1)
    stale = replaced(row, 2)
    lose(row.photo)
    grow_old()
    sweep(using="default")
    assert record_of(row).state == State.FAILED
    assert audit(using="default") == 0  # the file that failed is still the row's
    stale.save()
    assert audit(using="default") == 1
    sweep(using="default")
    assert list(recorder.images.values()) == [image(1)]


def test_a_row_deleted_by_sql_is_found_though_its_picture_failed(
    recorder: RecorderCollection,
) -> None:
    lost = product(1)
    product(2)
    lose(lost.photo)
    grow_old()
    sweep(using="default")
    Product._base_manager.all()._raw_delete("default")
    assert audit(using="default", batch_size=1) == 2
    sweep(using="default")
    assert recorder.images == {}
    assert not SyncRecord.objects.exists()


@pytest.mark.usefixtures("recorder")
def test_it_dispatches_unless_the_caller_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[Any] = []
    monkeypatch.setattr(
        dispatch, "dispatch_records", lambda *arguments: published.append(arguments)
    )
    Product.objects.using("other").bulk_create([Product(pk=1)])
    Product._base_manager.using("other").update(photo="elsewhere.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda call, **_: call())
        assert audit(using="other", dispatch=False) == 1
        assert published == []
        SyncRecord.objects.using("other").all().delete()
        assert audit(using="other") == 1
    (arguments,) = published
    assert arguments[0] == "other"


@pytest.mark.usefixtures("recorder")
def test_it_costs_a_fixed_number_of_queries_per_batch(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    audit(using="default")
    each = 2 * len(all_indexed_fields())  # rows and records of each field
    with django_assert_num_queries(each):
        audit(using="default")
    for number in range(4):
        product(number)
    sweep(using="default")
    with django_assert_num_queries(each + 2):  # their records, and their rows
        audit(using="default")
