"""Statements on Django's connection, and the errors that they may raise."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections, transaction

from django_visualsnoop.engine.exceptions import IndexUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.db.backends.utils import CursorWrapper

    Setting = str | int

#: Settings of every search. The planner knows too little of what a search looks up: it must use
#: the indexes, and compiling a statement would take longer than running it.
_SEARCHING: Mapping[str, Setting] = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": 0,
}
#: Classes of the errors that a correct statement raises if the server has gone or lacks something:
#: connection exceptions, operator intervention, insufficient resources …
_CLASSES = ("08", "57", "53")
#: … and undefined tables, columns, functions, types, schemas, and missing privileges.
_CODES = ("42P01", "42703", "42883", "42704", "3F000", "42501")

PREPARE = "python manage.py visualsnoop_move_index ALIAS --to pgvector"


@contextmanager
def open_cursor(database: str) -> Iterator[CursorWrapper]:
    """Run statements in a transaction, or in a savepoint of the caller's transaction.

    Raises:
        IndexUnavailable: the database is none of PostgreSQL, cannot be reached, or lacks a table,
            a type or a privilege.
    """
    check_vendor(database)
    with (
        translate_errors(database),
        transaction.atomic(using=database),
        connections[database].cursor() as cursor,
    ):
        yield cursor


@contextmanager
def open_search(
    database: str, settings: Mapping[str, Setting] | None = None
) -> Iterator[CursorWrapper]:
    """Run searching statements with settings that no other statement sees.

    Args:
        database: alias in ``DATABASES``.
        settings: further settings of PostgreSQL and pgvector.
    """
    with open_cursor(database) as cursor:
        apply_settings(cursor, {**_SEARCHING, **(settings or {})})
        yield cursor
        # There is nothing to keep, and this also takes back the settings.
        transaction.set_rollback(True, using=database)


def apply_settings(cursor: CursorWrapper, settings: Mapping[str, Setting]) -> None:
    """Change settings until the end of the transaction or savepoint."""
    calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
    cursor.execute(f"SELECT {calls}", [str(one) for pair in settings.items() for one in pair])


def check_vendor(database: str) -> None:
    vendor = connections[database].vendor
    if vendor != "postgresql":
        raise IndexUnavailable(
            f'OPTIONS["index"] = "pgvector" needs PostgreSQL, but the database {database!r} is '
            f'{vendor}. Use "memory", or move the project to PostgreSQL.'
        )


@contextmanager
def translate_errors(database: str) -> Iterator[None]:
    """Raise ``IndexUnavailable`` for errors that the caller's statements did not cause.

    Lock errors stay what they are, so that callers can retry.
    """
    try:
        yield
    except DatabaseError as error:
        if not _is_unavailable(error):
            raise
        raise IndexUnavailable(
            f"The pgvector index in the database {database!r} cannot be used: {_describe(error)}. "
            f"If the server runs, type: {PREPARE}"
        ) from error


def _is_unavailable(error: DatabaseError) -> bool:
    cause: Any = error.__cause__
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if code is None:
        # The driver itself could not connect, or the connection broke.
        return type(error).__name__ in ("OperationalError", "InterfaceError")
    return code in _CODES or code[:2] in _CLASSES


def _describe(error: DatabaseError) -> str:
    """Return the first line of an error; PostgreSQL names no secret there."""
    return str(error).strip().partition("\n")[0].rstrip(".")
