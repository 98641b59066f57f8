"""What the review page shows of each row beside its picture: columns, as in the changelist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import (
    display_for_field,
    display_for_value,
    label_for_field,
    lookup_field,
)
from django.core.exceptions import ObjectDoesNotExist
from django.db import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.admin.mixin import VisualSnoopAdminMixin

#: Columns of the changelist that say nothing of a row's own data.
_OMITTED = ("__str__", "action_checkbox", "visualsnoop_state")


def list_columns(model_admin: VisualSnoopAdminMixin, request: Any) -> list[tuple[str, str]]:
    """Return the names and labels of the columns to compare.

    These are ``visualsnoop_review_fields``, or the columns of the changelist.
    """
    names: Sequence[Any] | None = model_admin.visualsnoop_review_fields
    if names is None:
        names = [name for name in model_admin.get_list_display(request) if name not in _OMITTED]
    return [
        (name, str(label_for_field(name, model_admin.model, model_admin)))
        for name in names
        if not _is_image(model_admin.model, name)
    ]


def format_column(model_admin: VisualSnoopAdminMixin, row: models.Model, name: Any) -> str:
    """Return the value of a row's column, as the changelist shows it."""
    empty = model_admin.get_empty_value_display()
    try:
        field, _, value = lookup_field(name, row, model_admin)
    except ObjectDoesNotExist:
        return str(empty)
    if field is None:
        return str(display_for_value(value, empty, isinstance(value, bool)))
    if isinstance(field.remote_field, models.ManyToOneRel):
        related = getattr(row, field.name)
        return str(empty if related is None else related)
    return str(display_for_field(value, field, empty))


def find_date_field(model: type[models.Model], name: str | None) -> models.Field[Any, Any] | None:
    """Return the field that tells how old a row is; ``None`` if there is none.

    Args:
        model: the model.
        name: the name of the field; the first with ``auto_now_add`` if ``None``.
    """
    if name is not None:
        return model._meta.get_field(name)  # type: ignore[return-value]
    for field in model._meta.concrete_fields:
        if isinstance(field, models.DateField) and field.auto_now_add:
            return field
    return None


def _is_image(model: type[models.Model], name: Any) -> bool:
    names = {
        field.name for field in model._meta.concrete_fields if isinstance(field, models.ImageField)
    }
    return name in names
