"""System checks of ``VisualSnoopAdminMixin``: its options, and whether it can show pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.admin.utils import label_for_field
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 -- Django's name
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from django.db import models
from django.urls import get_script_prefix

from django_visualsnoop.admin.columns import find_date_field
from django_visualsnoop.indexed.options import indexed_fields
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


def check_pictures(model_admin: VisualSnoopAdminMixin) -> list[CheckMessage]:
    """Return the fields whose pictures have no URL that a browser can open.

    With an empty ``MEDIA_URL``, Django's storage returns URLs of the site itself. A storage with a
    ``url()`` or ``base_url`` of its own is left alone.
    """
    if get_script_prefix() != settings.MEDIA_URL:  # Django puts this before a relative one
        return []
    return [
        Warning(
            f"MEDIA_URL is empty, so the admin cannot show the pictures of {field}.",
            hint=(
                'In the settings, write MEDIA_URL = "media/". For the development server, add '
                "static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT) to urlpatterns."
            ),
            obj=type(model_admin),
            id="visualsnoop.W025",
        )
        for field in indexed_fields(model_admin.model)
        if _needs_media_url(field.owner._meta.get_field(field.name))
    ]


def _needs_media_url(field: Any) -> bool:
    storage = field.storage
    if not isinstance(storage, FileSystemStorage):
        return False
    # The default storage is a proxy, which has the class of the real one.
    return (
        storage.__class__.url is FileSystemStorage.url
        and getattr(storage, "_base_url", None) is None
    )


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
