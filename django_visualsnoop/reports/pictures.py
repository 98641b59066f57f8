"""Rows for a page in one file: their pictures are part of it."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from django_visualsnoop.common.interruptions import is_interruption

if TYPE_CHECKING:
    from django.db import models

#: The longer side of a picture on a page, in pixels, and the quality of its JPEG.
SIDE = 160
QUALITY = 70


@dataclass(frozen=True, slots=True)
class ReportCard:
    """One row on a page."""

    key: str
    text: str
    #: The file's name in its storage.
    name: str
    #: In pixels, as stored; ``None`` if unknown.
    width: int | None = None
    height: int | None = None
    #: In bytes; ``None`` if unknown.
    size: int | None = None
    #: The small picture as a data URI; empty if there is none, and ``problem`` tells why.
    picture: str = ""
    problem: str = ""


def read_size(row: models.Model, field: str) -> int | None:
    """Return the size of a row's file in bytes, or ``None`` if the storage does not tell."""
    try:
        size: int = getattr(row, field).size
    except Exception as error:  # a storage may raise anything
        if is_interruption(error):
            raise
        return None
    return size


def build_card(row: models.Model, field: str) -> ReportCard:
    """Read the file of a row, and return what a page shows of it."""
    file: Any = getattr(row, field)
    key, text, size = str(row.pk), str(row), read_size(row, field)
    try:
        with file.open("rb") as opened, Image.open(opened) as picture:
            width, height = picture.size
            uri = _write_data_uri(picture)
    except Exception as error:
        if is_interruption(error):
            raise
        problem = _("The file is missing or cannot be read.")
        return ReportCard(key, text, file.name or "", size=size, problem=problem)
    return ReportCard(key, text, file.name, width, height, size, uri)


def _write_data_uri(picture: Image.Image) -> str:
    picture.draft("RGB", (SIDE, SIDE))  # a large JPEG is decoded at a fraction of its size
    upright = ImageOps.exif_transpose(picture)
    upright.thumbnail((SIDE, SIDE))
    rgba = upright.convert("RGBA")
    ground = Image.new("RGBA", rgba.size, "white")
    buffer = io.BytesIO()
    Image.alpha_composite(ground, rgba).convert("RGB").save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode()
