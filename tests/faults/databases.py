"""The database of a run, and ways to cut its connections."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from random import Random

#: How long another process holds SQLite's write lock, in seconds: some operations outwait it.
LOCKED = (0.2, 3.0)


def version() -> str:
    return ".".join(map(str, connection.get_database_version()))


def cut(dice: Random) -> bool:
    """Cut a few connections to the database, not this one; return whether there were any."""
    return {"sqlite": _lock_sqlite, "postgresql": _cut_postgresql, "mysql": _cut_mariadb}[
        connection.vendor
    ](dice)


def _cut_postgresql(dice: Random) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        chosen = _some(cursor.fetchall(), dice)
        for pid in chosen:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    return bool(chosen)


def _cut_mariadb(dice: Random) -> bool:
    from django.db import DatabaseError

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist"
            " WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        chosen = _some(cursor.fetchall(), dice)
        cut = 0
        for number in chosen:
            try:
                cursor.execute(f"KILL CONNECTION {int(number)}")
                cut += 1
            except DatabaseError:  # it has ended by itself
                pass
    return cut > 0


def _some(found: list[Any], dice: Random) -> list[int]:
    numbers = [row[0] for row in found]
    return dice.sample(numbers, min(len(numbers), dice.randint(1, 3)))


def _lock_sqlite(dice: Random) -> bool:
    path = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        time.sleep(dice.uniform(*LOCKED))
        other.execute("ROLLBACK")
    return True
