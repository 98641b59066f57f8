"""The JSON objects that API v1 returns for a success."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable


class ImageResult(TypedDict):
    """The result of adding, getting or deleting one image."""

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
    #: 0…1, if the service provides it.
    similarity: NotRequired[float]
    #: ``"copy"``, ``"variant"`` or ``"shot"``, if the service provides it.
    relation: NotRequired[str]
    #: 0…1: the share of what both pictures show that differs, if the service provides it.
    difference: NotRequired[float]


class SearchResults(TypedDict):
    collection_id: str
    #: Sorted by rank, closest first.
    results: list[Match]
    message: str
    status: int
    #: Only in the response to a search by id.
    image_id: NotRequired[str]
    image_time: NotRequired[str]


def image_result(
    collection_id: str, image_id: str, image_time: str, message: str, status: int
) -> ImageResult:
    """Return the result for one image; see ``ImageResult``."""
    return {
        "collection_id": collection_id,
        "image_id": image_id,
        "image_time": image_time,
        "message": message,
        "status": status,
    }


def image_list(
    collection_id: str, images: Iterable[tuple[str, str]], next_image_id: str | None
) -> ImageList:
    """Return a page of images from ids and times; see ``ImageList``."""
    return {
        "collection_id": collection_id,
        "images": [{"id": image_id, "image_time": time} for image_id, time in images],
        "next_image_id": next_image_id,
        "message": "OK",
        "status": 200,
    }


def search_results(collection_id: str, matches: Iterable[Match]) -> SearchResults:
    """Return the result of a search; see ``SearchResults``."""
    return {
        "collection_id": collection_id,
        "results": list(matches),
        "message": "OK",
        "status": 200,
    }
