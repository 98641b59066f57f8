"""The return types of a collection's methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image of a collection."""

    collection_id: str
    image_id: str
    #: When it was added or last updated, in UTC; ``None`` if the service does not tell.
    image_time: datetime | None
    #: Whether the call added the image: false if it replaced one, or did something else.
    created: bool = False


@dataclass(frozen=True, slots=True)
class ImageInfoPage:
    """A page of a collection's images, newest first."""

    collection_id: str
    images: list[ImageInfo]
    #: Where the next page starts; ``None`` on the last page.
    next_image_id: str | None


@dataclass(frozen=True, slots=True)
class ImageMatch:
    """An image that a search found."""

    image_id: str
    #: Integer distance: 0 is perceptually identical, smaller is closer.
    rank: int
    #: 0…1; ``None`` if the collection does not tell.
    similarity: float | None = None
    #: One of ``search_options.RELATIONS``, or ``"similar"``; ``None`` if the collection does not
    #: tell.
    relation: str | None = None
    #: 0…1: the share of what both pictures show that differs; ``None`` if unknown.
    difference: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search."""

    collection_id: str
    #: Sorted by rank, closest first.
    matches: list[ImageMatch]
    #: The image that a search by id looked for; ``None`` for other searches.
    image: ImageInfo | None = None
