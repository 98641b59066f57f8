"""Fixtures of the integration's tests, loaded by conftest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from django_visualsnoop.collections import collections
from django_visualsnoop.engine.replica import held
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.dispatch import _dispatcher
from tests.collections.contract import image
from tests.testapp.models import Product

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.db.migrations.state import StateApps
    from django.db.models.fields.files import FieldFile
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

RECORDER = "django_visualsnoop.collections.recorder.RecorderCollection"


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    """An empty folder for uploaded files."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def recorder(settings: Settings, media: Path) -> Iterator[RecorderCollection]:
    """Both collections kept in memory; this is ``default``."""
    settings.VISUALSNOOP = {"default": {"BACKEND": RECORDER}, "archive": {"BACKEND": RECORDER}}
    found = [cast("RecorderCollection", collections[alias]) for alias in ("default", "archive")]
    for collection in found:
        collection.clear()
    yield found[0]
    for collection in found:
        collection.clear()


@pytest.fixture
def latest() -> Iterator[list[tuple[str, str]]]:
    """The newest migrations of all apps, to which the database returns."""
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    yield leaves
    migrate(*leaves)


@pytest.fixture(autouse=True)
def _fresh_publisher() -> None:
    """No test inherits another's broker trouble."""
    _dispatcher.forget()


@pytest.fixture(autouse=True)
def _fresh_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test inherits what others searched."""
    monkeypatch.setattr(held, "_replicas", {})
    monkeypatch.setattr(held, "_look_again_at", {})


def migrate(*targets: tuple[str, str]) -> StateApps:
    """Migrate to these migrations, and return the models as they were."""
    MigrationExecutor(connection).migrate(list(targets))
    return MigrationExecutor(connection).loader.project_state(list(targets)).apps


def picture(number: int = 1, name: str | None = None) -> ContentFile[bytes]:
    """Return scene ``number`` as an upload."""
    return ContentFile(image(number), name or f"scene{number}.png")


def product(number: int = 1, **kwargs: object) -> Product:
    return Product.objects.create(photo=picture(number), **kwargs)


def record_of(row: object, field: str = "photo") -> SyncRecord:
    """Return the record of one image of a row."""
    from django_visualsnoop.indexed.options import indexed_field

    found = indexed_field(type(row), field)  # type: ignore[arg-type]
    return SyncRecord.objects.get(pk=found.record_id(found.object_id(row)))  # type: ignore[arg-type]


def grow_old(**age: float) -> None:
    """Let every request be so old, an hour if not given, that a missing file is final."""
    requested_at = timezone.now() - timedelta(**(age or {"hours": 1}))
    SyncRecord.objects.update(requested_at=requested_at)


def lose(file: FieldFile) -> None:
    """Delete a file behind the back of its row."""
    assert file.name
    file.storage.delete(file.name)


def image_id(row: Product) -> str:
    return f"testapp.product.photo:{row.pk}"
