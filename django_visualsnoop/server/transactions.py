"""How the server writes: lock first, then read, then write, and come back if a lock is in the way.

See ``django_visualsnoop.common.transactions`` for SQLite's rule. The server's own rules beside:
what is written belongs to a collection that is still there, and to a key that is still accepted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from django.db import connections, transaction

from django_visualsnoop.common.row_locks import lock_rows, lock_rows_by_update
from django_visualsnoop.common.transactions import begin_writing, retry_when_locked
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import HostedCollection, database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

#: Seconds for which a request waits for a lock, beside what the database itself waits.
PATIENCE = 5.0
#: Seconds after which a client may ask again.
RETRY_AFTER = 2

#: Locks a row against deletion, and lets others lock it likewise: writers of one collection do
#: not wait for each other. SQLite has one writer at a time anyway.
_SHARED_LOCK = {"postgresql": " FOR KEY SHARE", "mysql": " LOCK IN SHARE MODE"}


def write_atomically(work: Callable[[], _T], *, patience: float | None = None) -> _T:
    """Call ``work`` in a transaction that may write, and return what it returns.

    Within a transaction of the caller's it is a savepoint: an error undoes what ``work`` did.

    Args:
        work: does the same when it is called again after it was rolled back.
        patience: seconds for which it is called again; ``PATIENCE`` if ``None``.

    Raises:
        OperationalError: a lock was in the way for too long; see ``busy``.
    """
    using = database()
    seconds = PATIENCE if patience is None else patience

    def attempt() -> _T:
        with transaction.atomic(using=using):
            begin_writing(HostedCollection, using=using)
            return work()

    return retry_when_locked(attempt, using=using, patience=seconds)


@contextmanager
def without_waiting(using: str) -> Iterator[None]:
    """On SQLite, let what is written here fail at once where it would wait for another writer.

    The other databases lock single rows, which nobody holds for long.

    Args:
        using: alias of the database.
    """
    connection = connections[using]
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    sqlite = connection.connection
    (milliseconds,) = sqlite.execute("PRAGMA busy_timeout").fetchone()
    sqlite.execute("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        sqlite.execute(f"PRAGMA busy_timeout = {int(milliseconds)}")


def lock_collection(collection_id: str, *, alone: bool = False) -> None:
    """Keep a collection from being deleted until this transaction ends.

    Call it before anything is written to the collection.

    Args:
        collection_id: 8 hexadecimal digits.
        alone: lock others out who call this; it must not follow a call without it.

    Raises:
        Refused: 404, it was deleted meanwhile.
    """
    connection = connections[database()]
    if alone or connection.vendor not in _SHARED_LOCK:
        rows = HostedCollection.objects.using(database()).filter(pk=collection_id)
        is_there = bool(lock_rows_by_update(rows, "name"))
    else:
        quote, fields = connection.ops.quote_name, HostedCollection._meta
        table, column = quote(fields.db_table), quote(str(fields.pk.column))
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT 1 FROM {table} WHERE {column} = %s"  # noqa: S608 -- names
                f"{_SHARED_LOCK[connection.vendor]}",
                [collection_id],
            )
            is_there = cursor.fetchone() is not None
    if not is_there:
        raise Refused(404, "The collection has been deleted. Nothing was stored.")


def lock_for_deletion(collection_id: str) -> bool:
    """Wait for all who write to a collection, and return whether it is there.

    Whoever asks for its lock meanwhile waits until this transaction ends.
    """
    return bool(lock_rows(HostedCollection.objects.using(database()).filter(pk=collection_id)))
