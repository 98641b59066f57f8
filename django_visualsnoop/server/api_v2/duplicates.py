"""Groups of copies, and the pairs that someone has called none."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Status

from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.server.api_v2 import schemas
from django_visualsnoop.server.api_v2.api import operation
from django_visualsnoop.server.api_v2.images import asked_by
from django_visualsnoop.server.api_v2.searches import MinSimilarity
from django_visualsnoop.server.content import groups, not_duplicates
from django_visualsnoop.server.exceptions import Refused

IdInQuery = Annotated[str, Query(min_length=1, max_length=100)]


@operation("GET", "groups", "search", schemas.Groups, tags=["duplicates"])
def list_groups(
    request: HttpRequest,
    image_id: Annotated[
        str | None, Query(min_length=1, max_length=100, description="Only the group of this image.")
    ] = None,
    min_similarity: MinSimilarity = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> dict[str, Any]:
    """Groups of copies. Two images that were called no duplicates are in no group together."""
    images = asked_by(request).images
    found = (
        groups.all_groups(images, min_similarity)
        if image_id is None
        else groups.group_of(images, check_image_id(image_id), min_similarity)
    )
    return {
        "groups": [
            {
                "members": [
                    {
                        "id": member.image_id,
                        "rank": member.rank,
                        "similarity": member.similarity,
                    }
                    for member in group
                ]
            }
            for group in found.groups[offset : offset + limit]
        ],
        "complete": found.complete,
    }


@operation("GET", "not-duplicates", "read", schemas.Pairs, tags=["duplicates"])
def list_not_duplicates(request: HttpRequest) -> dict[str, Any]:
    """The pairs that were called no duplicates, the oldest first, as long as both are the same."""
    asked = asked_by(request)
    pairs = not_duplicates.remembered(asked.images)
    return {"pairs": [pair._asdict() for pair in pairs]}


@operation(
    "PUT",
    "not-duplicates",
    "write",
    {200: schemas.IdPair, 201: schemas.IdPair},
    reads=True,
    tags=["duplicates"],
)
def put_not_duplicate(request: HttpRequest, pair: schemas.IdPair) -> Status[Any]:
    """Remember that two images are no duplicates, until one is deleted or its file replaced."""
    asked = asked_by(request)
    wanted = _pair(pair.first_id, pair.second_id)
    is_new = not_duplicates.remember(asked.images, wanted)
    return Status(201 if is_new else 200, wanted._asdict())


@operation("DELETE", "not-duplicates", "write", {204: None}, tags=["duplicates"])
def delete_not_duplicate(
    request: HttpRequest, first_id: IdInQuery, second_id: IdInQuery
) -> Status[None]:
    """Take back that two images are no duplicates."""
    pair = _pair(first_id, second_id)
    asked = asked_by(request)
    if not not_duplicates.take_back(asked.images, pair):
        raise Refused(404, f"{first_id!r} and {second_id!r} were not called no duplicates.")
    return Status(204, None)


def _pair(first_id: str, second_id: str) -> not_duplicates.Pair:
    return not_duplicates.pair_of(check_image_id(first_id), check_image_id(second_id))
