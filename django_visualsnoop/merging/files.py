"""Keep files that django-cleanup would delete.

Django keeps the file of a deleted row. The package django-cleanup deletes it after the commit, and
an undo could not bring it back.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

_keeping: ContextVar[bool] = ContextVar("visualsnoop_keeping_files", default=False)


@contextmanager
def keep_files(using: str) -> Iterator[None]:
    """Keep the files of rows that are deleted in this block.

    django-cleanup registers what it deletes with ``on_commit()``, whose callbacks run in order: so
    all that it registers in this block runs between the two callbacks of this function.

    Args:
        using: alias of the database; a transaction must be open.
    """
    if not apps.is_installed("django_cleanup"):
        yield
        return
    from django_cleanup.signals import cleanup_pre_delete

    cleanup_pre_delete.connect(_forget_name, dispatch_uid="django_visualsnoop.keep_files")
    transaction.on_commit(partial(_set_keeping, True), using=using)
    yield
    transaction.on_commit(partial(_set_keeping, False), using=using)


def _set_keeping(keeping: bool) -> None:
    _keeping.set(keeping)


def _forget_name(file: Any, **_: Any) -> None:
    """Let django-cleanup's copy of a file have no name: deleting it then does nothing."""
    if _keeping.get():
        file.name = None
