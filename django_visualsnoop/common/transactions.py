"""Transactions that write before they read, and detection of lock errors.

SQLite has one writer at a time. A transaction that reads first and writes later must upgrade its
lock. If another connection has written meanwhile, SQLite raises an error immediately, whatever the
timeout (https://sqlite.org/rescode.html#busy_snapshot). A transaction that starts with a write
waits instead. Django's option ``transaction_mode`` makes every transaction start that way, but
``startproject`` does not set it.

This module imports only Django, so that every package may use it.
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

#: How long ``retry_when_locked()`` retries, in seconds.
PATIENCE = 60.0

#: MariaDB and MySQL: lock wait timeout, deadlock.
_MYSQL_CODES = (1205, 1213)
#: PostgreSQL: serialization failure, deadlock, lock not available.
_SQLSTATES = ("40001", "40P01", "55P03")
#: SQLite: busy, locked. The lowest byte of an extended code.
_SQLITE_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def begin_writing(model: type[models.Model], *, using: str) -> None:
    """On SQLite, wait until this transaction may write; call this before the first query.

    Args:
        model: any model with a table in this database. No row changes.
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
    """Open a transaction if none is open.

    Inside the caller's transaction this opens no nested block: without a savepoint, an error that
    the caller catches would break that transaction, and with one, every call would be slower.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        return nullcontext()
    if not connection.get_autocommit():
        return _joined(using)
    return transaction.atomic(using=using)


def savepoint_if_open(*, using: str) -> AbstractContextManager[None]:
    """Open a savepoint if a transaction is open, so that an error leaves that usable."""
    if connections[using].in_atomic_block:
        return transaction.atomic(using=using)
    return nullcontext()


@contextmanager
def _joined(using: str) -> Iterator[None]:
    """Join the transaction that ``set_autocommit(False)`` has started.

    This opens no savepoint: if a savepoint starts a transaction on SQLite, releasing it commits.
    """
    try:
        with transaction.atomic(using=using, savepoint=False):  # on_commit() requires a block
            yield
    except BaseException:
        # The caller has no atomic block, so an error must not force a rollback.
        connections[using].needs_rollback = False
        raise


@contextmanager
def atomic_write(model: type[models.Model], *, using: str) -> Iterator[None]:
    """Open a transaction that may read and then write, if none is open.

    Args:
        model: any model with a table in this database.
        using: alias of the database.
    """
    with atomic_unless_open(using=using):
        begin_writing(model, using=using)
        yield


def write_when_free(work: Callable[[], _T], model: type[models.Model], *, using: str) -> _T:
    """Call ``work`` in a transaction that may read and then write; retry it after lock errors.

    Args:
        work: must be safe to call again after a rollback.
        model: any model with a table in this database.
        using: alias of the database.
    """

    def attempt() -> _T:
        with atomic_write(model, using=using):
            return work()

    return retry_when_locked(attempt, using=using)


def is_lock_error(error: BaseException) -> bool:
    """Whether a database error means that another connection holds a lock."""
    if not isinstance(error, OperationalError):
        return False
    cause: Any = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CODES
    if (getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)) in _SQLSTATES:
        return True
    return bool(error.args) and error.args[0] in _MYSQL_CODES


def retry_when_locked(work: Callable[[], _T], *, using: str, patience: float = PATIENCE) -> _T:
    """Call ``work``, retry it after lock errors, and return its result.

    Inside a transaction this calls it only once, because the error has broken that transaction.

    Args:
        work: must be safe to call again after a rollback.
        using: alias of the database.
        patience: how many seconds to retry before raising the error.
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
        time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 -- not used for security
        wait = min(2 * wait, 2.0)
