"""Rows as JSON: the columns of one table, in the spelling of Django's serializers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.fields.files import FieldFile

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The columns of one row, by attribute.
Values = dict[str, Any]


def columns_of(model: type[models.Model]) -> list[Any]:
    """Return the fields of a model's own table that can be written."""
    return [field for field in model._meta.local_concrete_fields if not field.generated]


def dump_row(row: models.Model, model: type[models.Model]) -> Values:
    """Return the columns that a row has in the table of its model, or of a parent of it."""
    return {
        field.attname: dump_value(field, getattr(row, field.attname)) for field in columns_of(model)
    }


def dump_value(field: Any, value: Any) -> Any:
    """Return what JSON can contain for the value of a field."""
    if isinstance(value, FieldFile):
        return value.name
    if isinstance(field, models.JSONField):
        return None if value is None else json.dumps(value, cls=field.encoder)
    if value is None or type(value) in (bool, int, float, str):
        return value
    if field.remote_field:
        return dump_value(field.target_field, value)
    holder = _Holder()
    setattr(holder, field.attname, value)
    return field.value_to_string(holder)


def load_value(field: Any, value: Any) -> Any:
    """Return the value of a field that ``dump_value()`` has made."""
    if value is None:
        return None
    if isinstance(field, models.JSONField):
        return json.loads(value, cls=field.decoder)
    return field.to_python(value)


def load_row(model: type[models.Model], values: Values) -> models.Model:
    """Return an unsaved row with these columns; columns that the model has lost are left out."""
    return model(
        **{
            field.attname: load_value(field, values[field.attname])
            for field in columns_of(model)
            if field.attname in values
        }
    )


def dump_key(model: type[models.Model], key: Any) -> Any:
    """Return what JSON can contain for a primary key, which may have several columns."""
    fields = model._meta.pk_fields
    if len(fields) == 1:
        return dump_value(fields[0], key)
    return [dump_value(field, one) for field, one in zip(fields, key, strict=True)]


def load_key(model: type[models.Model], key: Any) -> Any:
    """Return the primary key that ``dump_key()`` has made."""
    fields = model._meta.pk_fields
    if len(fields) == 1:
        return load_value(fields[0], key)
    return tuple(load_value(field, one) for field, one in zip(fields, key, strict=True))


def dump_keys(model: type[models.Model], keys: Iterable[Any]) -> list[Any]:
    return [dump_key(model, key) for key in keys]


class _Holder:
    """An object with one attribute, for ``Field.value_to_string()``."""
