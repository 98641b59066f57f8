"""System checks of the options of ``VisualSnoopAdminMixin``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import label_for_field
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models

from django_visualsnoop.admin.columns import find_date_field
from django_visualsnoop.review.proposals import resolve_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.admin.mixin import VisualSnoopAdminMixin


def check_options(model_admin: VisualSnoopAdminMixin) -> list[CheckMessage]:
    """Return what is wrong with the options of an admin."""
    return [
        Error(text, hint=hint, obj=type(model_admin), id="visualsnoop.E022")
        for text, hint in _list_problems(model_admin)
    ]


def _list_problems(model_admin: Any) -> Iterator[tuple[str, str]]:
    """Yield each problem with what to do."""
    try:
        resolve_rule(model_admin.visualsnoop_keep_rule)
    except ImproperlyConfigured as error:
        text, _, hint = str(error).partition(" Use ")
        yield text, f"Use {hint}"
    label = model_admin.model._meta.label
    name = model_admin.visualsnoop_date_field
    try:
        field = find_date_field(model_admin.model, name)
    except FieldDoesNotExist:
        yield (
            f"visualsnoop_date_field is {name!r}, which {label} does not have.",
            (f"Name a DateField or DateTimeField of {label}, or None."),
        )
    else:
        if field is not None and not isinstance(field, models.DateField):
            yield (
                f"visualsnoop_date_field is {name!r}, which is not a date.",
                (f"Name a DateField or DateTimeField of {label}, or None."),
            )
    for column in model_admin.visualsnoop_review_fields or ():
        try:
            label_for_field(column, model_admin.model, model_admin)
        except AttributeError:
            yield (
                f"visualsnoop_review_fields contains {column!r}, which does not exist.",
                (f"Name fields or methods of {label} or of its admin, as in list_display."),
            )
