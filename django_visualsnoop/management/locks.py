"""Messages of commands for a locked database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.core.management.base import CommandError
from django.db import OperationalError, connections

from django_visualsnoop.common.transactions import is_lock_error

if TYPE_CHECKING:
    from collections.abc import Iterator


def locked(using: str) -> str:
    """Return a message that tells what may lock a database and what to look for."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        return (
            f"The database {using!r} ({connection.settings_dict['NAME']}) is locked, because "
            "another process has been writing to it for too long. Look for a long transaction, "
            "such as an import or a shell, and let it end."
        )
    return (
        f"Another transaction has locked the same rows in the database {using!r}. Look for a long "
        "transaction, such as an import or a shell, and let it end."
    )


@contextmanager
def telling_locks(using: str, command: str) -> Iterator[None]:
    """Convert a lock error into a ``CommandError`` that tells what to type.

    Args:
        using: alias of the database.
        command: what to type to continue.

    Raises:
        CommandError: the database was locked for too long.
    """
    try:
        yield
    except OperationalError as error:
        if not is_lock_error(error):
            raise
        raise CommandError(f"{locked(using)} Then type: {command}") from None
