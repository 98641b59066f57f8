"""Notices above the admin's lists about rows that were never indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import Error, transaction
from django.utils.translation import gettext as _

from django_visualsnoop.sync.unrecorded import command, unrecorded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpResponse

    from django_visualsnoop.indexed.options import IndexedField

#: Not "admin/visualsnoop", where Django looks for the templates of this app's models.
TEMPLATES = "visualsnoop/admin"


def never_indexed(using: str, fields: Iterable[IndexedField] | None = None) -> list[str]:
    """Return a notice for each field whose table has rows that were never indexed.

    Return no notices if the database raises an error.

    Args:
        using: alias of the database of the rows.
        fields: the fields to check; every indexed field if ``None``.
    """
    try:
        with transaction.atomic(using=using):
            found = unrecorded(using, fields)
    except Error:
        return []
    return [
        _(
            "%(count)s rows of %(field)s have a picture that was never indexed, so searches do "
            "not find it. Type: %(command)s"
        )
        % {"count": one.words, "field": one.field, "command": command([one], using)}
        for one in found
    ]


def extend(response: Any, template: str, **context: Any) -> HttpResponse:
    """Replace the template of a response with one that extends it."""
    response.context_data["visualsnoop_base"] = response.resolve_template(response.template_name)
    response.context_data.update(context)
    response.template_name = f"{TEMPLATES}/{template}"
    return response  # type: ignore[no-any-return]
