"""What notes that an image field was assigned to: the field's own descriptor, and ours in it."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django.db.models.fields.files import FieldFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db import models

    from django_visualsnoop.indexed.options import IndexedField

#: In the instance's ``__dict__``: attribute name → a token of its latest assignment.
TOUCHED = "_visualsnoop_touched"
#: In a ``FieldFile``'s ``__dict__``: what it was when it was looked at first, or saved last.
SAVED = "_visualsnoop_saved"


class TrackedDescriptor:
    """Mixed into the descriptor class of each indexed field."""

    field: models.ImageField

    def __get__(self, instance: models.Model | None, cls: type | None = None) -> Any:
        file = super().__get__(instance, cls)  # type: ignore[misc]  # Django's ImageFileDescriptor
        if isinstance(file, FieldFile):
            file.__dict__.setdefault(SAVED, (file.name, None))
        return file

    def __set__(self, instance: models.Model, value: object) -> None:
        name = self.field.attname
        before = instance.__dict__.get(name)
        super().__set__(instance, value)  # type: ignore[misc]  # Django's ImageFileDescriptor
        # A form hands an unchanged file back as the very object it found. A string may be
        # the same name with other content (FieldFile.save), so equality proves nothing.
        # While a row is being built there is nothing to compare with; a new instance counts
        # as touched throughout (see `fields_saved`).
        if value is not before and not instance._state.adding:
            instance.__dict__.setdefault(TOUCHED, {})[name] = object()


def track(model: type[models.Model], fields: Iterable[IndexedField]) -> None:
    """Make these image fields of a model note their assignments."""
    for field in fields:
        descriptor = getattr(model, field.name)
        if not isinstance(descriptor, TrackedDescriptor) and hasattr(descriptor, "field"):
            kind = type(descriptor)
            tracked = copy(descriptor)  # with whatever else another app's descriptor knows
            tracked.__class__ = type(f"Tracked{kind.__name__}", (TrackedDescriptor, kind), {})
            setattr(model, field.name, tracked)
