"""Rows, prepared for the admin's templates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django.db import models

    from django_visualsnoop.admin.pictures import ShownPicture


@dataclass(frozen=True, slots=True)
class Card:
    """One row, with its picture and details."""

    row: models.Model
    picture: ShownPicture
    change_url: str
    #: 0…1; ``None`` if the collection returns no similarity.
    similarity: float | None
    #: How the row is related to that of the search, in words; empty if the collection says nothing.
    relation_text: str = ""

    @property
    def key(self) -> str:
        return str(self.row.pk)

    @property
    def similarity_text(self) -> str:
        return percent(self.similarity)


def percent(share: float | None) -> str:
    """Return a share as text, rounded down: only identical-looking pictures have 100 %."""
    if share is None:
        return "\N{EN DASH}"
    return _("%(percent)d%%") % {"percent": math.floor(share * 100)}
