"""The checks of the databases that hold records, each named after its id."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import WARNING
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLiteWrapper

from django_visualsnoop.outbox import checks as database_checks
from tests.checking import Elsewhere, only

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


def test_e020(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    assert database_checks.check_upsert() == []
    monkeypatch.setattr(connections["other"].features, "supports_update_conflicts", False)
    message = only(database_checks.check_upsert(), "visualsnoop.E020")
    assert "'other'" in message.msg
    assert "SQLite, PostgreSQL, MariaDB or MySQL" in (message.hint or "")
    settings.DATABASE_ROUTERS = [Elsewhere()]
    assert database_checks.check_upsert() == []


@pytest.mark.parametrize(
    ("options", "lacks"),
    [
        ({}, "transaction_mode and timeout and a write-ahead log"),
        ({"transaction_mode": "IMMEDIATE"}, "timeout and a write-ahead log"),
        ({"timeout": 30, "init_command": "PRAGMA journal_mode=wal;"}, "transaction_mode"),
    ],
)
def test_i020(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], lacks: str) -> None:
    use_sqlite(monkeypatch, options)
    message = only(database_checks.check_sqlite(), "visualsnoop.I020")
    assert not message.is_serious(WARNING)
    assert f"does not set {lacks}" in message.msg
    assert '"transaction_mode": "IMMEDIATE"' in (message.hint or "")
    # What the hint says is enough.
    suggested = (message.hint or "").partition(" = ")[2]
    use_sqlite(monkeypatch, ast.literal_eval(suggested))
    assert database_checks.check_sqlite() == []


def use_sqlite(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    sqlite = SQLiteWrapper({"NAME": "db.sqlite3", "OPTIONS": options}, "default")
    monkeypatch.setattr(database_checks, "_with_records", lambda: [("default", sqlite)])
