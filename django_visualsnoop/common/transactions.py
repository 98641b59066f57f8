"""Transactions that write before they read, and errors that mean "somebody else is writing".

SQLite has one writer at a time. A transaction that has read, and writes afterwards, asks for more
than it began with; if another connection has written or is writing meanwhile, SQLite refuses at
once, whatever the timeout (https://sqlite.org/rescode.html#busy_snapshot). One that begins with a
write waits for its turn. Django's setting ``transaction_mode`` makes every transaction begin like
that, but a project made by ``startproject`` has not set it.

This module imports Django and nothing else, so that every room may use it.
"""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import OperationalError, connections, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from django.db import models

_T = TypeVar("_T")

#: How long ``retry_when_locked()`` goes on, in seconds.
PATIENCE = 60.0

#: MariaDB and MySQL: lock wait timeout, deadlock.
_MYSQL_CODES = (1205, 1213)
#: PostgreSQL: serialization failure, deadlock, lock not available.
_SQLSTATES = ("40001", "40P01", "55P03")
#: SQLite: busy, locked. Extended codes have them in their lowest byte.
_SQLITE_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def begin_writing(model: type[models.Model], *, using: str) -> None:
    """On SQLite, wait until this transaction may write; call it before the first query.

    Args:
        model: any model with a table in this database. No row is changed.
        using: alias of the database; a transaction must be open.
    """
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    quote = connection.ops.quote_name
    table, column = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = {column} WHERE 0")  # noqa: S608 -- names


def atomic_unless_open(*, using: str) -> AbstractContextManager[None]:
    """Open a transaction where none is open.

    Inside a transaction of the caller's there is no block of ours: an error that the caller
    catches would spoil that transaction, or else every call would cost a savepoint.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        return nullcontext()
    if not connection.get_autocommit():
        return _joined(using)
    return transaction.atomic(using=using)


@contextmanager
def _joined(using: str) -> Iterator[None]:
    """Take part in the transaction that ``set_autocommit(False)`` has begun.

    No savepoint: where SQLite's transaction would begin with one, releasing it commits.
    """
    try:
        with transaction.atomic(using=using, savepoint=False):  # on_commit() asks for a block
            yield
    except BaseException:
        # Without us there is no block that an error could spoil.
        connections[using].needs_rollback = False
        raise


@contextmanager
def atomic_write(model: type[models.Model], *, using: str) -> Iterator[None]:
    """Open a transaction that may read and then write, where none is open.

    Args:
        model: any model with a table in this database.
        using: alias of the database.
    """
    with atomic_unless_open(using=using):
        begin_writing(model, using=using)
        yield


def write_when_free(work: Callable[[], _T], model: type[models.Model], *, using: str) -> _T:
    """Call ``work`` in a transaction that may read and then write, until no lock is in its way.

    Args:
        work: does the same when it is called again after it was rolled back.
        model: any model with a table in this database.
        using: alias of the database.
    """

    def attempt() -> _T:
        with atomic_write(model, using=using):
            return work()

    return retry_when_locked(attempt, using=using)


def is_lock_error(error: BaseException) -> bool:
    """Whether a database refused because somebody else holds what was asked for."""
    if not isinstance(error, OperationalError):
        return False
    cause: Any = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CODES
    if (getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)) in _SQLSTATES:
        return True
    return bool(error.args) and error.args[0] in _MYSQL_CODES


def retry_when_locked(work: Callable[[], _T], *, using: str, patience: float = PATIENCE) -> _T:
    """Call ``work`` until no lock is in its way, and return what it returns.

    Inside a transaction it is called once: a refused statement has ended that transaction.

    Args:
        work: does the same when it is called again after it was rolled back.
        using: alias of the database it works on.
        patience: seconds after which the error is raised all the same.
    """
    deadline = time.monotonic() + patience
    wait = 0.05
    while True:
        try:
            return work()
        except OperationalError as error:
            if not is_lock_error(error) or connections[using].in_atomic_block:
                raise
            if time.monotonic() + wait > deadline:
                raise
        time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 -- spreads load, guards nothing
        wait = min(2 * wait, 2.0)
