"""Track which image fields of an instance may have changed since it was loaded.

Loading a row costs nothing: the field's descriptor notes an assignment, and the name of a file when
it is first read. There is no ``post_init`` receiver, which would run for every row and load
deferred fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models.fields.files import FieldFile

from django_visualsnoop.indexed.descriptors import ASSIGNED, SAVED
from django_visualsnoop.indexed.options import indexed_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db import models

    from django_visualsnoop.indexed.options import IndexedField


def is_clean(instance: models.Model) -> bool:
    """Whether saving this loaded row needs no sync record; a fast check.

    Most saves need none. After a commit, this code is no longer in the processor's caches, so each
    step costs several times its usual time.
    """
    if instance._state.adding or instance.__dict__.get(ASSIGNED):
        return False
    for field in indexed_fields(type(instance)):
        if field.has_condition or _is_new_file(instance, field.name):
            return False
    return True


def dirty_fields(
    instance: models.Model, update_fields: Collection[str] | None, *, adding: bool
) -> list[IndexedField]:
    """Return the indexed fields whose picture this save may have changed.

    Args:
        instance: the row being saved.
        update_fields: names given to ``save()``, or ``None`` for all.
        adding: whether the instance was not loaded from the database.
    """
    tokens: dict[str, object] = instance.__dict__.get(ASSIGNED, {})
    return [
        field
        for field in indexed_fields(type(instance))
        if (adding or field.name in tokens or _is_new_file(instance, field.name))
        and (update_fields is None or field.name in update_fields)
    ]


def tokens(instance: models.Model, fields: Iterable[IndexedField]) -> dict[str, object]:
    """Return what a save of these fields wrote, for ``forget_committed()``."""
    values = instance.__dict__
    noted: dict[str, object] = values.get(ASSIGNED, {})
    return {
        field.name: (noted.get(field.name), values[field.name], _saved(values[field.name]))
        for field in fields
        if field.name in noted or isinstance(values.get(field.name), FieldFile)
    }


def state_to_copy(instance: models.Model, state: dict[str, Any]) -> dict[str, Any]:
    """Return the state for a copy or pickle, including the tracked changes.

    A copy of a ``FieldFile`` does not contain its state when it was first read.
    """
    names = [
        field.name for field in indexed_fields(type(instance)) if _is_new_file(instance, field.name)
    ]
    if names:
        noted = {**state.get(ASSIGNED, {}), **{name: object() for name in names}}
        return {**state, ASSIGNED: noted}
    return state


def forget(instance: models.Model, names: Iterable[str] | None) -> None:
    """Forget assignments to these attributes (all if ``None``), whose values were reloaded."""
    if names is None:
        instance.__dict__.pop(ASSIGNED, None)
    elif noted := instance.__dict__.get(ASSIGNED):
        for name in names:
            noted.pop(name, None)


def forget_committed(instance: models.Model, committed: dict[str, Any]) -> None:
    """Forget the changes that are committed now, but not later ones."""
    noted = instance.__dict__.get(ASSIGNED, {})
    for name, (token, file, saved) in committed.items():
        if isinstance(file, FieldFile):
            file.__dict__[SAVED] = saved
        if token is not None and noted.get(name) is token:
            del noted[name]


def fields_with_changed_condition(
    model: type[models.Model], update_fields: Collection[str] | None
) -> list[IndexedField]:
    """Return the indexed fields whose condition this save may have changed."""
    return [
        field
        for field in indexed_fields(model)
        if field.has_condition
        and (
            update_fields is None
            or field.condition_fields is None
            or not field.condition_fields.isdisjoint(update_fields)
        )
    ]


def _is_new_file(instance: models.Model, name: str) -> bool:
    """Whether the file is not stored yet, has another name, or was opened for writing."""
    file: Any = instance.__dict__.get(name)
    if type(file) is str or file is None:
        return False  # nobody has read it
    is_stored: bool = getattr(file, "_committed", True)
    before = file.__dict__.get(SAVED) if isinstance(file, FieldFile) else None
    if before is None or not is_stored:
        return not is_stored
    if "_file" not in file.__dict__:
        return bool(before[0] != file.name)
    return bool(before != _saved(file))


def _saved(file: object) -> tuple[str | None, object] | None:
    """Return the name of a file, and its stream if that was opened for writing."""
    if not isinstance(file, FieldFile):
        return None
    stream = file.__dict__.get("_file")  # where FieldFile.open() leaves it
    mode = getattr(stream, "mode", None) or getattr(stream, "_mode", None) or ""
    writes = isinstance(mode, str) and not {"w", "a", "x", "+"}.isdisjoint(mode)
    # A reopened File has another stream.
    return file.name, getattr(stream, "file", stream) if writes else None
