"""A database that is down, and one whose tables are gone; in tests without a transaction."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connections

from django_visualsnoop.models import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "s3cr3t-of-the-database"
TABLE = SyncRecord._meta.db_table


@contextmanager
def database_down(using: str) -> Iterator[None]:
    """Let a database not be reached in this block, nor its password be right."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    connection = connections[using]
    before = connection.settings_dict
    where: dict[str, object] = {"HOST": "127.0.0.1", "PORT": port, "PASSWORD": PASSWORD}
    if connection.vendor == "sqlite":
        where = {"NAME": f"/nowhere/{PASSWORD}/database.sqlite3"}
    connection.close()
    connection.settings_dict = {**before, **where}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = before


@contextmanager
def tables_gone(using: str, *tables: str) -> Iterator[None]:
    """Take tables away in this block; the records' if none is named."""
    for table in tables or (TABLE,):
        _rename(using, table, f"{table}_hidden")
    try:
        yield
    finally:
        for table in tables or (TABLE,):
            _rename(using, f"{table}_hidden", table)


def lose_connection(using: str, *, by: str) -> None:
    """Have the server end a connection; ``by``: alias of another one on the same server."""
    connection = connections[using]
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        connection.connection.close()
        return
    with connections[by].cursor() as cursor:
        if connection.vendor == "postgresql":
            pid = connection.connection.info.backend_pid
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        else:
            cursor.execute(f"KILL {connection.connection.thread_id()}")


def _rename(using: str, table: str, name: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")
