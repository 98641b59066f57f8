from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from django_visualsnoop.server import health

if TYPE_CHECKING:
    from django.test import Client


@pytest.fixture(autouse=True)
def _forget() -> None:
    health._check_migrated.cache_clear()


def test_live_asks_no_database(client: Client) -> None:
    assert client.get("/healthz").json() == {"live": True}
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_ready_once_all_migrations_are_there(client: Client) -> None:
    last = MigrationRecorder(connection).migration_qs.filter(app="visualsnoop_server").last()
    assert last is not None
    MigrationRecorder(connection).record_unapplied("visualsnoop_server", last.name)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "database": True, "migrations": False}
    MigrationRecorder(connection).record_applied("visualsnoop_server", last.name)
    assert client.get("/readyz").json() == {"ready": True, "database": True, "migrations": True}


@pytest.mark.django_db
def test_not_ready_without_a_database(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise OperationalError("no answer from 10.0.0.7")

    monkeypatch.setattr(connection, "cursor", fails)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "database": False, "migrations": False}
    assert "10.0.0.7" in caplog.text
