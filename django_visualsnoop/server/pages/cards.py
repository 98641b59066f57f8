"""Images as the pages show them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from django_visualsnoop.server.content.pictures import find_thumbnails
from django_visualsnoop.server.pages.converters import ImageId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from django_visualsnoop.server.models import HostedCollection


@dataclass(frozen=True, slots=True)
class Card:
    """One image."""

    image_id: str
    has_thumbnail: bool
    #: 0 to 1, where it was compared.
    similarity: float | None = None
    #: When it was added or replaced, where that is shown.
    time: datetime | None = None

    @property
    def address(self) -> str:
        """The id as addresses and forms have it."""
        return ImageId().to_url(self.image_id)

    @property
    def percent(self) -> str:
        """The similarity in words: 100 % is only what is perceptually identical."""
        assert self.similarity is not None
        return _("%(percent)d %%") % {"percent": math.floor(self.similarity * 100)}


def make_cards(
    hosted: HostedCollection, facts: Mapping[str, dict[str, Any]] | Iterable[str]
) -> list[Card]:
    """Return cards of images, in the order given; one query.

    Args:
        hosted: their collection.
        facts: by image id, further fields of ``Card``.
    """
    found = dict(facts) if isinstance(facts, dict) else {image_id: {} for image_id in facts}
    pictured = find_thumbnails(hosted, found)
    return [Card(image_id, image_id in pictured, **fields) for image_id, fields in found.items()]
