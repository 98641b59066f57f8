"""What a command says of a database that somebody else holds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.core.management.base import CommandError
from django.db import OperationalError, connections

from django_visualsnoop.common.transactions import is_lock_error

if TYPE_CHECKING:
    from collections.abc import Iterator


def locked(using: str) -> str:
    """Return, in a sentence or two, who may hold a database and what to look for."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        return (
            f"The database {using!r} ({connection.settings_dict['NAME']}) is locked: another "
            "program has written to it for too long. Look for a long transaction, such as an "
            "import or a shell, and let it end."
        )
    return (
        f"The database {using!r} refused, since another transaction holds the same rows. Look for "
        "a long transaction, such as an import or a shell, and let it end."
    )


@contextmanager
def telling_locks(using: str, command: str) -> Iterator[None]:
    """Let a command that meets a lock for too long end with what to type.

    Args:
        using: alias of the database.
        command: what to type to go on.

    Raises:
        CommandError: a lock was in the way for too long.
    """
    try:
        yield
    except OperationalError as error:
        if not is_lock_error(error):
            raise
        raise CommandError(f"{locked(using)} Then type: {command}") from None
