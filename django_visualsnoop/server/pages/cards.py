"""Images for display on the pages."""

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
    """An image on a page."""

    image_id: str
    has_thumbnail: bool
    #: The similarity, 0 to 1, if the image was compared.
    similarity: float | None = None
    #: When the image was added or replaced, if the page shows it.
    time: datetime | None = None
    #: How the image is related to the one of the search, in words; empty if it is unknown.
    relation_text: str = ""

    @property
    def address(self) -> str:
        """Return the id in the form that URLs and forms use."""
        return ImageId().to_url(self.image_id)

    @property
    def percent(self) -> str:
        """Return the similarity as a percentage: only perceptually identical images have 100 %."""
        assert self.similarity is not None
        return percent(self.similarity)


def percent(share: float) -> str:
    """Return a share as a percentage, rounded down."""
    return _("%(percent)d %%") % {"percent": math.floor(share * 100)}


def make_cards(
    hosted: HostedCollection, facts: Mapping[str, dict[str, Any]] | Iterable[str]
) -> list[Card]:
    """Return cards of images in the given order, with one query.

    Args:
        hosted: the collection of the images.
        facts: additional fields of ``Card``, by image id.
    """
    found = dict(facts) if isinstance(facts, dict) else {image_id: {} for image_id in facts}
    pictured = find_thumbnails(hosted, found)
    return [Card(image_id, image_id in pictured, **fields) for image_id, fields in found.items()]
