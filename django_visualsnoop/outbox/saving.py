"""Write a row and its sync records in one short transaction.

The project's code that a save calls runs outside this transaction, as it would without this
package: ``pre_save()`` of fields and ``upload_to``, which may store files, run before it, and
``post_save`` receivers run after it. The transaction begins with the statement that writes the
row, so on SQLite no other writer waits for a slow storage.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from weakref import ref

from django.db import connections, router, transaction

from django_visualsnoop.common.transactions import atomic_unless_open
from django_visualsnoop.indexed import tracking
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.outbox.pausing import is_paused
from django_visualsnoop.outbox.requests import (
    SyncRequest,
    request_if_condition_changed,
    request_sync,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db import models
    from django.db.backends.base.base import BaseDatabaseWrapper

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.models import VisualSnoopMixin


#: Set in the instance's ``__dict__`` while it is saved without a transaction of this package.
_SAVED_ALONE = "_visualsnoop_saved_alone"


def save_row(
    instance: VisualSnoopMixin,
    write: Callable[[], bool],
    *,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
) -> bool:
    """Write a row, and its sync records if its picture or its condition may have changed.

    Args:
        instance: the row.
        write: Django's code that writes the row; returns whether it was an update.
        raw: whether a fixture is being loaded.
        using: alias of the database.
        update_fields: names given to ``save()``, or ``None`` for all.

    Returns:
        The result of ``write``.
    """
    if is_paused():
        return write()
    if not raw and tracking.is_clean(instance) and not _is_moved(instance, using):
        # Most saves update one existing row and need no transaction.
        instance.__dict__[_SAVED_ALONE] = True
        try:
            return write()
        except _NeedsTransactionError:
            pass
        finally:
            del instance.__dict__[_SAVED_ALONE]
    save = _Save(instance, raw, using, update_fields)
    connection = connections[using]
    if connection.in_atomic_block:
        updated = write()
        save.request(created=not updated)
        return updated
    with ExitStack() as stack:
        with connection.execute_wrapper(_AtomicAtWrite(save, connection, stack)):
            updated = write()
        if not connection.in_atomic_block and save.is_needed(created=not updated):
            stack.enter_context(atomic_unless_open(using=using))  # no statement wrote the row
        save.request(created=not updated)
    return updated


def check_lone_update(instance: models.Model) -> None:
    """Start the save again, in a transaction, if a picture was assigned meanwhile."""
    if _SAVED_ALONE in instance.__dict__ and not tracking.is_clean(instance):
        raise _NeedsTransactionError


def check_lone_insert(instance: models.Model) -> None:
    """Start the save again, in a transaction, if the row to update no longer exists."""
    if _SAVED_ALONE in instance.__dict__:
        raise _NeedsTransactionError


def _is_moved(instance: models.Model, using: str) -> bool:
    """Whether a row is saved to another database than the one it was read from.

    A row that was read from a replica does not count: a router writes it to the primary.
    """
    source = instance._state.db
    if source is None or source == using:
        return False
    return router.db_for_write(type(instance), instance=instance) != using


class _NeedsTransactionError(Exception):
    """A save needs a sync record after all. Nothing has been written yet."""


class _Save:
    """One save and its changes."""

    def __init__(
        self,
        instance: VisualSnoopMixin,
        raw: bool,
        using: str,
        update_fields: frozenset[str] | None,
    ) -> None:
        self.instance, self.raw, self.using = instance, raw, using
        self.update_fields = update_fields
        self.adding = instance._state.adding or raw or _is_moved(instance, using)
        #: Determined before the files are stored, because a stored file is no longer new.
        self._changed = self._dirty_fields(self.adding)

    def is_needed(self, *, created: bool) -> bool:
        """Whether this save may need sync records."""
        instance = self.instance
        if created:
            fields = indexed_fields(type(instance))
            return any(getattr(instance, field.name) for field in fields)
        return bool(
            self._changed
            or self._dirty_fields(self.adding)
            or self._fields_with_changed_condition()
        )

    def request(self, *, created: bool) -> None:
        """Write the sync records that this save needs."""
        if not self.is_needed(created=created):
            return
        instance, raw, using = self.instance, self.raw, self.using
        now = self._dirty_fields(self.adding or created)
        changed = [*self._changed, *(field for field in now if field not in self._changed)]
        conditional = self._fields_with_changed_condition()
        # A fixture may load later what the condition reads; the worker evaluates it again.
        should_index = self._ask_whether_to_index() if conditional and not raw else True
        request_sync(
            # A new row without a picture has no image in the collection.
            (
                SyncRequest(field, field.object_id(instance), wanted=should_index)
                for field in changed
                if not created or getattr(instance, field.name)
            ),
            using=using,
        )
        request_if_condition_changed(
            (
                SyncRequest(field, field.object_id(instance), wanted=should_index)
                for field in conditional
                if field not in changed and getattr(instance, field.name)
            ),
            using=using,
        )
        _forget_on_commit(instance, changed, using)

    def _dirty_fields(self, adding: bool) -> list[IndexedField]:
        return tracking.dirty_fields(self.instance, self.update_fields, adding=adding)

    def _fields_with_changed_condition(self) -> list[IndexedField]:
        return tracking.fields_with_changed_condition(type(self.instance), self.update_fields)

    def _ask_whether_to_index(self) -> bool:
        """Evaluate the condition with the state that the instance has once it is saved."""
        state = self.instance._state
        before = state.adding, state.db
        state.adding, state.db = False, self.using
        try:
            return self.instance.visualsnoop_should_index()
        finally:
            state.adding, state.db = before


class _AtomicAtWrite:
    """Open a transaction just before the statement that writes the row.

    See https://docs.djangoproject.com/en/stable/topics/db/instrumentation/.
    """

    def __init__(self, save: _Save, connection: BaseDatabaseWrapper, stack: ExitStack) -> None:
        self.save, self.connection, self.stack = save, connection, stack
        table = connection.ops.quote_name(save.instance._meta.db_table)
        self.insert, self.update = f"INSERT INTO {table}", f"UPDATE {table}"

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        if not self.connection.in_atomic_block and self._is_innermost() and self._writes(sql):
            self.stack.enter_context(atomic_unless_open(using=self.save.using))
        return execute(sql, params, many, context)

    def _is_innermost(self) -> bool:
        """Whether the statement belongs to this save, not to one that ``upload_to`` made."""
        ours = (one for one in self.connection.execute_wrappers if isinstance(one, _AtomicAtWrite))
        *_, last = ours
        return last is self

    def _writes(self, sql: str) -> bool:
        """Whether this statement writes the row and the save may need sync records."""
        created = self.insert in sql
        return (created or self.update in sql) and self.save.is_needed(created=created)


def _forget_on_commit(instance: VisualSnoopMixin, fields: list[IndexedField], using: str) -> None:
    """Clear the tracked changes on commit. After a rollback they must remain."""
    saved = tracking.tokens(instance, fields)
    if not saved:
        return
    reference = ref(instance)

    def forget() -> None:
        if (alive := reference()) is not None:
            tracking.forget_committed(alive, saved)

    transaction.on_commit(forget, using=using, robust=True)
