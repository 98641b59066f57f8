"""Migrations that are not applied."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from django_visualsnoop.health import health
from django_visualsnoop.outbox import pending_migrations
from tests.problems import only

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_a_database_behind_its_migrations() -> None:
    recorder = MigrationRecorder(connections["other"])
    recorder.migration_qs.filter(app="visualsnoop", name="0001_initial").delete()
    problem = only(health("other"))
    assert (problem.code, problem.count) == ("migrations", 1)
    assert "'other' has unapplied migrations: visualsnoop.0001_initial" in problem.message
    assert "python manage.py migrate visualsnoop --database other" in problem.hint
    assert health("default").ok


def test_the_engine_counts_where_it_is(settings: Any) -> None:
    engine = MigrationRecorder(connections["other"]).migration_qs.filter(app="visualsnoop_engine")
    engine.delete()
    assert health("other").ok
    MigrationRecorder(connections["other"]).record_applied("visualsnoop_engine", "0000_older")
    assert "migrate visualsnoop_engine --database other" in only(health("other")).hint
    settings.MIGRATION_MODULES = {"visualsnoop_engine": None}
    assert pending_migrations.unapplied("other") == []


def test_the_engines_tables_are_missing_where_it_keeps_a_collection() -> None:
    recorder = MigrationRecorder(connections["default"])
    recorder.migration_qs.filter(app="visualsnoop_engine").delete()
    problem = only(health())
    assert problem.code == "migrations"
    assert "visualsnoop_engine.0001_initial" in problem.message
    assert "python manage.py migrate visualsnoop_engine --database default" in problem.hint
    assert health("other").ok  # it keeps none there
