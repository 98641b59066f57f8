"""Image ids that name the database, where rows are read from a replica."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from django_visualsnoop.indexed import options
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.search.aliases import alias_in_ids
from django_visualsnoop.testing import sync_now
from tests.fixtures import product
from tests.testapp.models import Product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

REPLICA = "replica"


class ReadsTheReplica:
    def db_for_read(self, model: object, **hints: object) -> str | None:
        return REPLICA if model is Product else None

    def db_for_write(self, model: object, **hints: object) -> str:
        return "default"

    def allow_relation(self, *_: object, **__: object) -> bool:
        return True


@pytest.fixture
def ids_with_database(monkeypatch: pytest.MonkeyPatch) -> None:
    names = type("VisualSnoop", (), {"image_id": "{database}/{model}.{field}:{pk}"})
    monkeypatch.setattr(Product, "VisualSnoop", names)
    monkeypatch.setattr(options, "_cache", {})


@pytest.fixture
def replica(settings: Settings, ids_with_database: None) -> Iterator[None]:
    """Read Product through a second alias of the default database, in the same transaction."""
    connections["default"].ensure_connection()
    mirror = copy.copy(connections["default"])
    mirror.alias = REPLICA
    connections.settings[REPLICA] = mirror.settings_dict
    connections[REPLICA] = mirror
    settings.DATABASE_ROUTERS = [ReadsTheReplica()]
    yield
    del connections[REPLICA]
    del connections.settings[REPLICA]


def found(rows: Any) -> set[Any]:
    return {row.pk for row in rows}


def test_a_replica_finds_what_was_written_to_its_primary(
    recorder: RecorderCollection, replica: None
) -> None:
    first, second, third = product(1), product(1), product(2)
    sync_now()
    assert SyncRecord.objects.get(object_id=str(first.pk)).image_id.startswith("default/")
    read = Product.objects.get(pk=first.pk)
    assert read._state.db == REPLICA
    for rows in (Product.objects.all(), Product.objects.using(REPLICA)):
        assert rows.db == REPLICA
        assert found(rows.copies_of(read)) == {second.pk}
        assert found(rows.filter(pk=second.pk).copies_of(read)) == {second.pk}
        assert found(rows.copies_of(third.photo)) == set()
        assert [found(group) for group in rows.duplicates()] == [{first.pk, second.pk}]
        among = Product.objects.using(REPLICA).filter(pk=second.pk)
        assert [found(group) for group in rows.duplicates(of=among)] == [{first.pk, second.pk}]


def test_embeddings_and_placements_are_found_by_a_replica(
    media: object, replica: None, settings: Settings
) -> None:
    model = {"embedding": "tests.embeddings.MEAN_COLOUR"}
    settings.VISUALSNOOP = {**settings.VISUALSNOOP, "default": {"OPTIONS": model}}
    first, second, third = product(1), product(1), product(2)
    sync_now()
    read = Product.objects.get(pk=first.pk)
    similar = Product.objects.exclude(pk=third.pk).similar_to(read)
    assert found(similar) == {second.pk}
    assert list(similar.placements(read)) == [second.pk]


def test_another_database_keeps_its_own_name(
    recorder: RecorderCollection, ids_with_database: None
) -> None:
    here, there = product(1), product(1)
    for row in (here, there):
        row.pk, row._state.adding = None, True
        row.save(using="other")
    sync_now()
    sync_now("other")
    assert found(Product.objects.using("other").copies_of(here)) == {there.pk}


def test_only_a_database_that_is_not_written_to_is_asked(
    ids_with_database: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    field = indexed_field(Product, "photo")
    with django_assert_num_queries(0):
        assert alias_in_ids(field, "default") == "default"
    # Nothing is recorded there: it may be a replica whose primary has no pictures yet.
    with django_assert_num_queries(1, connection=connections["other"]):
        assert alias_in_ids(field, "other") == "default"
