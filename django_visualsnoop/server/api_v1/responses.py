"""The responses of API v1: always a JSON object that contains the HTTP status and a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import JsonResponse

from django_visualsnoop.client.results import (
    image_list,
    image_result,
    search_results,
)
from django_visualsnoop.engine.storage.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.client.results import Match
    from django_visualsnoop.engine.hits import Hit, Hits
    from django_visualsnoop.engine.storage.values import ImagePage, StoredImage


def make_response(body: dict[str, Any], headers: Mapping[str, str] | None = None) -> JsonResponse:
    """Return the HTTP response; its status is the body's.

    Args:
        body: the JSON object, with ``status`` and ``message``.
        headers: additional header fields.
    """
    # Responses belong to one user and soon become outdated.
    fields = {"Cache-Control": "no-store", **(headers or {})}
    return JsonResponse(body, status=body["status"], headers=fields)


def build_image(
    collection_id: str, stored: StoredImage, message: str, status: int
) -> dict[str, Any]:
    """Return the five keys that API v1 defines for an image."""
    time = format_time(stored.image_time)
    return {**image_result(collection_id, stored.image_id, time, message, status)}


def build_results(collection_id: str, found: Hits) -> dict[str, Any]:
    """Return search results, closest first.

    ``similarity``, ``relation`` and ``difference`` are additions to API v1; the last two are left
    out where they are unknown.
    """
    return {**search_results(collection_id, map(_build_match, found.hits))}


def _build_match(hit: Hit) -> Match:
    match: Match = {"id": hit.image_id, "rank": hit.rank, "similarity": hit.similarity}
    if hit.relation is not None:
        match["relation"] = hit.relation
    if hit.difference is not None:
        match["difference"] = hit.difference
    return match


def build_listing(collection_id: str, page: ImagePage) -> dict[str, Any]:
    """Return a page of images, newest first."""
    images = ((stored.image_id, format_time(stored.image_time)) for stored in page.images)
    return {**image_list(collection_id, images, page.next_image_id)}
