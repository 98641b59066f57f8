"""Track assignments to image fields, with a subclass of the field's own descriptor."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django.db.models.fields.files import FieldFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db import models

    from django_visualsnoop.indexed.options import IndexedField

#: Key in the instance's ``__dict__``: attribute name → token of its latest assignment.
ASSIGNED = "_visualsnoop_assigned"
#: Key in a ``FieldFile``'s ``__dict__``: its state when it was first read, or last saved.
SAVED = "_visualsnoop_saved"


class TrackedDescriptor:
    """A mixin for the descriptor class of each indexed field."""

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
        # A form assigns an unchanged file as the same object. An equal string may stand for other
        # content (FieldFile.save()), so equality does not count. All fields of a new instance are
        # dirty anyway (see `dirty_fields`).
        if value is not before and not instance._state.adding:
            instance.__dict__.setdefault(ASSIGNED, {})[name] = object()


def track(model: type[models.Model], fields: Iterable[IndexedField]) -> None:
    """Track assignments to these image fields of a model."""
    for field in fields:
        descriptor = getattr(model, field.name)
        if not isinstance(descriptor, TrackedDescriptor) and hasattr(descriptor, "field"):
            kind = type(descriptor)
            tracked = copy(descriptor)  # keep the attributes of another app's descriptor
            tracked.__class__ = type(f"Tracked{kind.__name__}", (TrackedDescriptor, kind), {})
            setattr(model, field.name, tracked)
