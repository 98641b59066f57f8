"""Rows and groups of copies, prepared for the admin's templates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from django_visualsnoop.admin.choices import members_value

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
    is_selected: bool
    #: How the row is related to that of the search, in words; empty if the collection says nothing.
    relation_text: str = ""

    @property
    def key(self) -> str:
        return str(self.row.pk)

    @property
    def similarity_text(self) -> str:
        return percent(self.similarity)


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """The shown part of one group of copies."""

    number: int
    cards: list[Card]
    #: Number of rows in the group, including hidden ones.
    size: int

    @property
    def hidden(self) -> int:
        return self.size - len(self.cards)

    @property
    def proposed(self) -> str:
        """The key of the row to keep: that of the largest picture; among equals, the lowest key."""
        oldest_first = sorted(self.cards, key=lambda card: card.row.pk)
        return max(oldest_first, key=lambda card: card.picture.worth).key

    @property
    def members_value(self) -> str:
        return members_value(card.key for card in self.cards)


def percent(share: float | None) -> str:
    """Return a share as text, rounded down: only identical-looking pictures have 100 %."""
    if share is None:
        return "\N{EN DASH}"
    return _("%(percent)d%%") % {"percent": math.floor(share * 100)}
