"""Which image fields of an instance may have changed since it was loaded.

Loading a row costs nothing: the field's own descriptor notes an assignment, and the name of a
file when the file is looked at first. There is no ``post_init`` handler, which would run for
every row and load deferred fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models.fields.files import FieldFile

from django_visualsnoop.indexed.descriptors import SAVED, TOUCHED
from django_visualsnoop.indexed.options import indexed_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db import models

    from django_visualsnoop.indexed.options import IndexedField


def is_clean(instance: models.Model) -> bool:
    """Whether a save of this loaded row needs no sync record, found out with few steps.

    Most saves do not. After the commit before it their code has left the processor's caches, and
    each step costs several times its usual price.
    """
    if instance._state.adding or instance.__dict__.get(TOUCHED):
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
        adding: the instance was not loaded from the database.
    """
    tokens: dict[str, object] = instance.__dict__.get(TOUCHED, {})
    return [
        field
        for field in indexed_fields(type(instance))
        if (adding or field.name in tokens or _is_new_file(instance, field.name))
        and (update_fields is None or field.name in update_fields)
    ]


def tokens(instance: models.Model, fields: Iterable[IndexedField]) -> dict[str, object]:
    """Return what a save of these fields has written, for ``forget_committed()``."""
    values = instance.__dict__
    noted: dict[str, object] = values.get(TOUCHED, {})
    return {
        field.name: (noted.get(field.name), values[field.name], _saved(values[field.name]))
        for field in fields
        if field.name in noted or isinstance(values.get(field.name), FieldFile)
    }


def state_to_copy(instance: models.Model, state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a copy, pickled or not, that knows what has changed.

    A ``FieldFile`` does not tell its own copy what it was when it was looked at first.
    """
    names = [
        field.name for field in indexed_fields(type(instance)) if _is_new_file(instance, field.name)
    ]
    if names:
        noted = {**state.get(TOUCHED, {}), **{name: object() for name in names}}
        return {**state, TOUCHED: noted}
    return state


def forget(instance: models.Model, names: Iterable[str] | None) -> None:
    """Forget assignments to these attributes (``None``: all), whose values were reloaded."""
    if names is None:
        instance.__dict__.pop(TOUCHED, None)
    elif noted := instance.__dict__.get(TOUCHED):
        for name in names:
            noted.pop(name, None)


def forget_committed(instance: models.Model, committed: dict[str, Any]) -> None:
    """Forget the changes that are in the database now, but none made since."""
    noted = instance.__dict__.get(TOUCHED, {})
    for name, (token, file, saved) in committed.items():
        if isinstance(file, FieldFile):
            file.__dict__[SAVED] = saved
        if token is not None and noted.get(name) is token:
            del noted[name]


def fields_with_changed_condition(
    model: type[models.Model], update_fields: Collection[str] | None
) -> list[IndexedField]:
    """Return the indexed fields whose model's condition this save may have turned."""
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
        return False  # nobody has looked at it
    is_stored: bool = getattr(file, "_committed", True)
    before = file.__dict__.get(SAVED) if isinstance(file, FieldFile) else None
    if before is None or not is_stored:
        return not is_stored
    if "_file" not in file.__dict__:
        return bool(before[0] != file.name)
    return bool(before != _saved(file))


def _saved(file: object) -> tuple[str | None, object] | None:
    """Return the name of a file, and the stream through which its content may have changed."""
    if not isinstance(file, FieldFile):
        return None
    stream = file.__dict__.get("_file")  # where FieldFile.open() leaves it
    mode = getattr(stream, "mode", None) or getattr(stream, "_mode", None) or ""
    writes = isinstance(mode, str) and not {"w", "a", "x", "+"}.isdisjoint(mode)
    # Opened again, the same File has another stream.
    return file.name, getattr(stream, "file", stream) if writes else None
