"""Every schema that was ever released can be upgraded with what is in it, and be used after."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.worker import sweep
from tests.fixtures import migrate, picture, product, record_of
from tests.testapp.models import Product

APPS = ("visualsnoop", "visualsnoop_engine")


def schemas() -> list[tuple[str, str]]:
    """Return every migration that another one follows, as app and name."""
    loader = MigrationLoader(None)
    leaves = set(loader.graph.leaf_nodes())
    return sorted(key for key in loader.disk_migrations if key[0] in APPS and key not in leaves)


@pytest.mark.django_db
def test_the_migrations_make_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", *APPS, check=True, dry_run=True)
    assert "No changes detected" in capsys.readouterr().out


def test_there_are_earlier_schemas_to_upgrade_from() -> None:
    assert {app for app, _ in schemas()} == set(APPS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("media")
@pytest.mark.parametrize("schema", schemas(), ids="-".join)
def test_an_earlier_schema_is_upgraded_with_its_rows(
    schema: tuple[str, str], latest: list[tuple[str, str]]
) -> None:
    done, waiting = product(1), product(2)
    sweep(using="default")
    waiting.photo = picture(3)
    waiting.save()
    before = {model: _rows(model) for model in (SyncRecord, IndexedImage)}

    migrate(schema)  # what it does not have is lost
    there = set(connection.introspection.table_names())
    assert {model._meta.db_table for model in before} <= there
    migrate(*latest)

    for model, rows in before.items():
        assert _rows(model) == rows
    assert record_of(done).state == SyncRecord.State.IN_SYNC
    assert record_of(waiting).state == SyncRecord.State.WAITING
    assert sweep(using="default").in_sync == 1
    assert set(Product.objects.copies_of(done.photo.path)) == {done}
    again = product(1)
    sweep(using="default")
    assert set(Product.objects.copies_of(done)) == {again}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("media")
@pytest.mark.parametrize("schema", schemas(), ids="-".join)
def test_processes_of_the_earlier_code_go_on_saving(
    schema: tuple[str, str], latest: list[tuple[str, str]]
) -> None:
    """While the new release is rolled out, the old one writes into the new tables."""
    app, _ = schema
    # By their tables, since a model may have been renamed.
    old = {model._meta.db_table: model for model in migrate(schema).get_models()}
    migrate(*latest)
    for new in apps.get_app_config(app).get_models():
        model = old.get(new._meta.db_table)
        if model is None:
            continue  # it came later
        fields = model._meta.concrete_fields
        row = model._base_manager.create(
            **{field.attname: _value(field) for field in fields if not field.null}
        )
        assert model._base_manager.filter(pk=row.pk).exists()


def _rows(model: type[Any]) -> list[dict[str, Any]]:
    def plain(value: object) -> object:
        return bytes(value) if isinstance(value, memoryview) else value

    rows = model._base_manager.order_by("pk").values()
    return [
        {name: plain(value) for name, value in row.items() if name not in _LOST} for row in rows
    ]


#: Columns that earlier schemas do not have: migrating back loses what is in them.
_LOST = {"thumbnail", "capture"}


#: What a column without a default takes.
_VALUES: dict[str, Any] = {
    "BinaryField": b"0",
    "BooleanField": True,
    "DateTimeField": datetime(2026, 1, 1, tzinfo=UTC),
    "UUIDField": UUID(int=1),
}


def _value(field: Any) -> Any:
    if field.has_default():
        return field.get_default()
    return _VALUES.get(field.get_internal_type(), "1")
