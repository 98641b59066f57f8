"""Groups of duplicates, and pairs marked as not duplicates."""

from typing import Annotated, Any

from ninja import Query, Status

from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.server.api_v2 import schemas
from django_visualsnoop.server.api_v2.api import ApiRequest, operation
from django_visualsnoop.server.api_v2.images import get_access
from django_visualsnoop.server.api_v2.searches import MinSimilarity
from django_visualsnoop.server.content import groups, not_duplicates
from django_visualsnoop.server.exceptions import Refused

IdInQuery = Annotated[str, Query(min_length=1, max_length=100)]


@operation("GET", "groups", "search", schemas.Groups, tags=["duplicates"])
def list_groups(
    request: ApiRequest,
    image_id: Annotated[
        str | None,
        Query(min_length=1, max_length=100, description="Return only the group of this image."),
    ] = None,
    min_similarity: MinSimilarity = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> dict[str, Any]:
    """List groups of duplicates. Two images marked as not duplicates are never in one group."""
    images = get_access(request).images
    found = (
        groups.find_all_groups(images, min_similarity)
        if image_id is None
        else groups.find_group(images, check_image_id(image_id), min_similarity)
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
def list_not_duplicates(request: ApiRequest) -> dict[str, Any]:
    """List the pairs marked as not duplicates, oldest first."""
    access = get_access(request)
    pairs = not_duplicates.list_pairs(access.images)
    return {"pairs": [pair._asdict() for pair in pairs]}


@operation(
    "PUT",
    "not-duplicates",
    "write",
    {200: schemas.IdPair, 201: schemas.IdPair},
    reads=True,
    tags=["duplicates"],
)
def put_not_duplicate(request: ApiRequest, pair: schemas.IdPair) -> Status[Any]:
    """Mark two images as not duplicates, until one is deleted or replaced."""
    access = get_access(request)
    wanted = _make_pair(pair.first_id, pair.second_id)
    is_new = not_duplicates.mark_pair(access.images, wanted)
    return Status(201 if is_new else 200, wanted._asdict())


@operation("DELETE", "not-duplicates", "write", {204: None}, tags=["duplicates"])
def delete_not_duplicate(
    request: ApiRequest, first_id: IdInQuery, second_id: IdInQuery
) -> Status[None]:
    """Remove the mark that two images are not duplicates."""
    pair = _make_pair(first_id, second_id)
    access = get_access(request)
    if not not_duplicates.unmark_pair(access.images, pair):
        raise Refused(404, f"{first_id!r} and {second_id!r} are not marked as not duplicates.")
    return Status(204, None)


def _make_pair(first_id: str, second_id: str) -> not_duplicates.ImagePair:
    return not_duplicates.make_pair(check_image_id(first_id), check_image_id(second_id))
