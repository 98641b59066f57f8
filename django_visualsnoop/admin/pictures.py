"""Details of one file for the admin's pages, read through its storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from django_visualsnoop.admin.troubles import plain_words
from django_visualsnoop.indexed.options import indexed_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db import models


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One file. Unknown details are ``None``, and ``problem`` tells why."""

    #: The file's name in its storage; empty if the row has no file.
    name: str
    #: URL of a small picture.
    url: str = ""
    #: In pixels, as stored.
    width: int | None = None
    height: int | None = None
    #: In bytes.
    size: int | None = None
    problem: str = ""


def field_to_show(row: models.Model, matched: str | None = None) -> str:
    """Return the image field to show: the one that matched, or the first that has a file."""
    names = [field.name for field in indexed_fields(type(row))]
    filled = [name for name in names if getattr(row, name)]
    return matched if matched in filled else (filled or names)[0]


def look_at(row: models.Model, name: str, url: Callable[[Any, str], str]) -> ShownPicture:
    """Return the details of one file; for a missing or broken file, they include a ``problem``.

    Args:
        row: the row that has the file.
        name: name of the row's image field.
        url: returns the URL of a small picture, given a row and the name of a field.
    """
    file = getattr(row, name)
    if not file:
        return ShownPicture("", problem=_("There is no picture."))
    try:
        size = file.size
        width, height = _dimensions(row, name)
        if not width or not height:
            return ShownPicture(
                file.name, size=size, problem=_("The file is not a readable picture.")
            )
        return ShownPicture(file.name, url(row, name), width, height, size)
    except FileNotFoundError:
        return ShownPicture(file.name, problem=_("The file is not in the storage."))
    except Exception as error:  # noqa: BLE001 -- a storage may raise anything
        return ShownPicture(file.name, problem=plain_words(error))


def _dimensions(row: Any, name: str) -> tuple[int | None, int | None]:
    field = row._meta.get_field(name)
    if field.width_field and field.height_field:
        width, height = getattr(row, field.width_field), getattr(row, field.height_field)
        if width and height:
            return width, height
    file = getattr(row, name)
    return file.width, file.height
