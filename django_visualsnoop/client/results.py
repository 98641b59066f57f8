"""The shapes of what a collection answers (API v1's success bodies)."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ImageResult(TypedDict):
    """Answer to adding, getting or deleting one image."""

    collection_id: str
    image_id: str
    #: RFC 3339 in UTC, always with six microsecond digits and ``+00:00``.
    image_time: str
    message: str
    status: int


class ListedImage(TypedDict):
    id: str
    image_time: str


class ImageList(TypedDict):
    collection_id: str
    images: list[ListedImage]
    #: Where the next page starts; ``None`` on the last page.
    next_image_id: str | None
    message: str
    status: int


class Match(TypedDict):
    id: str
    #: Integer distance: 0 is perceptually identical, smaller is closer.
    rank: int
    #: 0…1, where the service offers it.
    similarity: NotRequired[float]


class SearchResults(TypedDict):
    collection_id: str
    #: Sorted by rank, closest first.
    results: list[Match]
    message: str
    status: int
    #: Only in the answer to a search by id.
    image_id: NotRequired[str]
    image_time: NotRequired[str]
