"""``bulk_create(update_conflicts=True)``: which rows it wrote."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models
from django.db.models import Value
from django.db.models.functions import Upper
from django.test.utils import isolate_apps

from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.upserts import find_upserted_keys
from django_visualsnoop.sync import worker
from tests.twins.models import FollowedItem

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def upsert(*rows: FollowedItem, update_fields: list[str]) -> None:
    takes_target = connection.features.supports_update_conflicts_with_target
    FollowedItem.objects.bulk_create(
        rows,
        update_conflicts=True,
        update_fields=update_fields,
        unique_fields=["code"] if takes_target else None,
    )


def requested() -> set[str]:
    waiting = SyncRecord.objects.filter(SyncRecord.in_progress())
    return set(waiting.values_list("object_id", flat=True))


@pytest.fixture
def item() -> FollowedItem:
    made = FollowedItem.objects.create(code="a", photo="a.png")
    SyncRecord.objects.update(applied=models.F("generation"), due_at=None)
    return made


@pytest.mark.parametrize("photo", ["b.png", ""])
def test_a_replaced_and_an_emptied_picture_are_requested(item: FollowedItem, photo: str) -> None:
    upsert(FollowedItem(code="a", photo=photo), update_fields=["photo"])
    assert requested() == {str(item.pk)}


def test_the_row_that_was_there_is_requested_and_not_the_instances_key(item: FollowedItem) -> None:
    upsert(FollowedItem(pk=4711, code="a", photo="b.png"), update_fields=["photo"])
    assert str(item.pk) in requested()
    worker.sweep(using="default")
    assert not SyncRecord.objects.filter(object_id="4711").exists()


def test_new_rows_are_requested(item: FollowedItem) -> None:
    upsert(FollowedItem(code="n", photo="n.png"), update_fields=["price"])
    assert str(FollowedItem.objects.get(code="n").pk) in requested()


def test_new_rows_are_requested_that_no_constraint_can_find(item: FollowedItem) -> None:
    if not connection.features.can_return_rows_from_bulk_insert:
        pytest.skip("nobody knows the key of such a row")
    upsert(
        FollowedItem(photo="n.png"),
        FollowedItem(code=Upper(Value("x")), photo="x.png"),
        update_fields=["photo"],
    )
    new = FollowedItem.objects.exclude(pk=item.pk).values_list("pk", flat=True)
    assert requested() == {str(key) for key in new}
    assert len(requested()) == 2


def test_rows_past_conflicts_are_requested_as_far_as_a_constraint_finds_them(
    item: FollowedItem,
) -> None:
    rows = [FollowedItem(code="n", photo="n.png"), FollowedItem(code="a", photo="b.png")]
    FollowedItem.objects.bulk_create(rows, ignore_conflicts=True)
    assert str(FollowedItem.objects.get(code="n").pk) in requested()


def test_other_fields_cost_nothing(item: FollowedItem) -> None:
    upsert(FollowedItem(code="a", price=2), update_fields=["price"])
    assert requested() == set()


@isolate_apps("tests.twins")
@pytest.mark.django_db(transaction=True)
def test_rows_are_found_by_every_kind_of_unique_constraint() -> None:
    class Slot(models.Model):
        code = models.CharField(max_length=9, null=True, unique=True)
        day = models.IntegerField(null=True)
        hour = models.IntegerField(null=True)
        shelf = models.IntegerField(null=True)

        class Meta:
            app_label = "twins"
            unique_together = [("day", "hour")]
            constraints = [models.UniqueConstraint(fields=["shelf"], name="shelf")]

    rows: Any = Slot._base_manager
    given = [Slot(code="a"), Slot(day=1, hour=2), Slot(day=1), Slot(shelf=3), Slot(code=Upper("x"))]
    many = [Slot(code=f"n{number}") for number in range(1500)]
    with connection.schema_editor() as editor:
        editor.create_model(Slot)
    try:
        code, time, shelf, other = (
            rows.create(**values).pk
            for values in ({"code": "a"}, {"day": 1, "hour": 2}, {"shelf": 3}, {"code": "other"})
        )
        rows.create(day=1, hour=3)  # half of what is unique together is another row
        assert find_upserted_keys(rows.all(), given, None) == {code, time, shelf}
        assert find_upserted_keys(rows.all(), given, ["code"]) == {code}
        assert find_upserted_keys(rows.all(), [Slot(pk=other)], ["pk"]) == {other}
        assert find_upserted_keys(rows.all(), [*many, Slot(day=1, hour=2)], None) == {time}
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Slot)
