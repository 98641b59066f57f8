"""Which image fields of an instance were assigned since it was loaded.

Loading a row costs nothing: the field's own descriptor notes an assignment. There is no
``post_init`` handler, which would run for every row and load deferred fields, and no copy
of the old value.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django_visualsnoop.options import indexed_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db import models

    from django_visualsnoop.options import IndexedField

#: In the instance's ``__dict__``: attribute name → a token of its latest assignment.
_TOUCHED = "_visualsnoop_touched"
#: In the instance's ``__dict__`` while it is being saved.
_ADDING = "_visualsnoop_adding"
_QUIET = "_visualsnoop_quiet"


class _TrackedDescriptor:
    """Mixed into the descriptor class of each indexed field."""

    field: models.ImageField

    def __set__(self, instance: models.Model, value: object) -> None:
        name = self.field.attname
        before = instance.__dict__.get(name)
        super().__set__(instance, value)  # type: ignore[misc]  # Django's ImageFileDescriptor
        # A form hands an unchanged file back as the very object it found. A string may be
        # the same name with other content (FieldFile.save), so equality proves nothing.
        # While a row is being built there is nothing to compare with; a new instance counts
        # as touched throughout (see `fields_saved`).
        if value is not before and not instance._state.adding:
            instance.__dict__.setdefault(_TOUCHED, {})[name] = object()


def track(model: type[models.Model]) -> None:
    """Make the indexed fields of a model note their assignments."""
    for field in indexed_fields(model):
        descriptor = getattr(model, field.name)
        if not isinstance(descriptor, _TrackedDescriptor) and hasattr(descriptor, "field"):
            kind = type(descriptor)
            tracked = copy(descriptor)  # with whatever else another app's descriptor knows
            tracked.__class__ = type(f"Tracked{kind.__name__}", (_TrackedDescriptor, kind), {})
            setattr(model, field.name, tracked)


def begin_save(instance: models.Model, update_fields: Iterable[str] | None) -> bool:
    """Return whether the save that begins may have to write a sync record beside the row.

    Most saves do not, so that is found out first and with few steps: after the commit before it
    their code has left the processor's caches, and each step costs several times its usual price.
    """
    values = instance.__dict__
    adding = instance._state.adding
    # Django clears its flag before post_save.
    values[_ADDING] = adding
    quiet = values[_QUIET] = not adding and not values.get(_TOUCHED) and _is_quiet(instance)
    if quiet:
        return False
    names = None if update_fields is None else frozenset(update_fields)
    return bool(fields_saved(instance, names, adding=adding)) or bool(
        fields_to_judge(type(instance), names)
    )


def ends_quietly(instance: models.Model) -> bool:
    """Whether nothing that could need a sync record was found or has happened since."""
    values = instance.__dict__
    return values.pop(_QUIET, False) and not values.get(_TOUCHED)


def was_adding(instance: models.Model) -> bool:
    """Return what was noted; true for a save that went past the mixin's ``save_base``."""
    adding: bool = instance.__dict__.pop(_ADDING, True)
    return adding


def fields_saved(
    instance: models.Model, update_fields: Collection[str] | None, *, adding: bool
) -> list[IndexedField]:
    """Return the indexed fields whose picture this save may have changed.

    Args:
        instance: the row being saved.
        update_fields: names given to ``save()``, or ``None`` for all.
        adding: the instance was not loaded from the database.
    """
    tokens: dict[str, object] = instance.__dict__.get(_TOUCHED, {})
    return [
        field
        for field in indexed_fields(type(instance))
        if (adding or field.name in tokens or _is_new_file(instance, field.name))
        and (update_fields is None or field.name in update_fields)
    ]


def tokens(instance: models.Model, fields: Iterable[IndexedField]) -> dict[str, object]:
    """Return the assignments that a save of these fields has written."""
    noted: dict[str, object] = instance.__dict__.get(_TOUCHED, {})
    return {field.name: noted[field.name] for field in fields if field.name in noted}


def forget(instance: models.Model, names: Iterable[str] | None) -> None:
    """Forget assignments to these attributes (``None``: all), whose values were reloaded."""
    if names is None:
        instance.__dict__.pop(_TOUCHED, None)
    elif noted := instance.__dict__.get(_TOUCHED):
        for name in names:
            noted.pop(name, None)


def forget_committed(instance: models.Model, committed: dict[str, object]) -> None:
    """Forget the assignments that are in the database now, but none made since."""
    noted = instance.__dict__.get(_TOUCHED, {})
    for name, token in committed.items():
        if noted.get(name) is token:
            del noted[name]


def fields_to_judge(
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


def _is_quiet(instance: models.Model) -> bool:
    for field in indexed_fields(type(instance)):
        if field.has_condition or _is_new_file(instance, field.name):
            return False
    return True


def _is_new_file(instance: models.Model, name: str) -> bool:
    file: Any = instance.__dict__.get(name)
    return not getattr(file, "_committed", True)
