"""System checks of the databases that hold records. They open no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error, Info
from django.db import connections, router

from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

#: Seconds that a writer waits for its turn, at least.
SQLITE_TIMEOUT = 20
#: Name of an option of DATABASES → what to write.
SQLITE_OPTIONS = {
    "timeout": str(SQLITE_TIMEOUT),
    "transaction_mode": '"IMMEDIATE"',
    "init_command": '"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"',
}


def check_upsert(**_: Any) -> list[CheckMessage]:
    """A save writes its record by INSERT … ON CONFLICT, which not every database has."""
    return [
        Error(
            f"The database {alias!r} ({connection.display_name}) cannot insert a row or update it "
            "in one statement, so every save of an indexed model would fail.",
            hint=(
                "Keep the indexed models in SQLite, PostgreSQL, MariaDB or MySQL. If they are not "
                f"kept in {alias!r}, let allow_migrate() of a router in DATABASE_ROUTERS return "
                'False for it and the app "visualsnoop".'
            ),
            id="visualsnoop.E020",
        )
        for alias, connection in _with_records()
        if not connection.features.supports_update_conflicts
    ]


def check_sqlite(**_: Any) -> list[CheckMessage]:
    """What makes SQLite wait for its turn rather than refuse; nothing depends on it."""
    found: list[CheckMessage] = []
    for alias, connection in _with_records():
        lacks = list(_lacking(connection)) if connection.vendor == "sqlite" else []
        if lacks:
            wanted = ", ".join(f'"{name}": {SQLITE_OPTIONS[name]}' for name in SQLITE_OPTIONS)
            found.append(
                Info(
                    f"The database {alias!r} is SQLite without {' and '.join(lacks)}. It works, "
                    "and under load more saves wait for each other or fail.",
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
