"""System checks of the databases that store sync records. They open no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error, Info
from django.db import connections, router

from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

#: Shortest recommended timeout, in seconds.
SQLITE_TIMEOUT = 20
#: Name of an option in DATABASES → the recommended value.
SQLITE_OPTIONS = {
    "timeout": str(SQLITE_TIMEOUT),
    "transaction_mode": '"IMMEDIATE"',
    "init_command": '"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"',
}


def check_upsert(**_: Any) -> list[CheckMessage]:
    """Check that the database supports INSERT … ON CONFLICT, which writes sync records."""
    return [
        Error(
            f"The database {alias!r} ({connection.display_name}) does not support upserts, so "
            "saving an indexed model will fail.",
            hint=(
                "Use SQLite, PostgreSQL, MariaDB or MySQL for indexed models. If "
                f"{alias!r} stores no indexed model, return False from allow_migrate() of a "
                f'database router for db={alias!r} and app_label="visualsnoop".'
            ),
            id="visualsnoop.E020",
        )
        for alias, connection in _with_records()
        if not connection.features.supports_update_conflicts
    ]


def check_sqlite(**_: Any) -> list[CheckMessage]:
    """Recommend the SQLite options that make concurrent writers wait instead of failing."""
    found: list[CheckMessage] = []
    for alias, connection in _with_records():
        lacks = list(_lacking(connection)) if connection.vendor == "sqlite" else []
        if lacks:
            wanted = ", ".join(f'"{name}": {SQLITE_OPTIONS[name]}' for name in SQLITE_OPTIONS)
            found.append(
                Info(
                    f"The SQLite database {alias!r} does not set {' and '.join(lacks)}. Under "
                    "load, saves may wait for each other or fail.",
                    hint=f'Write DATABASES[{alias!r}]["OPTIONS"] = {{{wanted}}}',
                    id="visualsnoop.I020",
                )
            )
    return found


def _with_records() -> Iterator[tuple[str, BaseDatabaseWrapper]]:
    if not all_indexed_fields():
        return
    for alias in connections:
        if router.allow_migrate_model(alias, SyncRecord):
            yield alias, connections[alias]


def _lacking(connection: BaseDatabaseWrapper) -> Iterator[str]:
    options = connection.settings_dict.get("OPTIONS") or {}
    if str(options.get("transaction_mode")).upper() not in ("IMMEDIATE", "EXCLUSIVE"):
        yield "transaction_mode"
    if options.get("timeout", 5) < SQLITE_TIMEOUT:
        yield "timeout"
    if "journal_mode" not in str(options.get("init_command", "")).lower():
        yield "a write-ahead log (init_command)"
