"""Operations that search by picture or id, and that compare two pictures and explain the match."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from ninja import Query

from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.common.search_options import COPIES, COPY, SIMILAR, SearchOptions
from django_visualsnoop.engine.matching.side_by_side import compare_pictures
from django_visualsnoop.server.api_v2 import schemas
from django_visualsnoop.server.api_v2.api import ApiRequest, KeyAccess, operation
from django_visualsnoop.server.api_v2.base64_content import decode_content
from django_visualsnoop.server.api_v2.images import (
    IMAGE_BODY,
    IMAGE_PATH,
    Filter,
    IdInPath,
    find_allowed,
    get_access,
)
from django_visualsnoop.server.content import metadata as image_metadata
from django_visualsnoop.server.exceptions import Refused

if TYPE_CHECKING:
    from django_visualsnoop.common.search_options import Kind, Relation
    from django_visualsnoop.engine.hits import Hit
    from django_visualsnoop.engine.matching.placement import Placement
    from django_visualsnoop.engine.matching.side_by_side import DescribedImage

Limit = Annotated[int, Query(ge=1, le=1000, description="The largest number of matches.")]
MinSimilarity = Annotated[
    float | None,
    Query(ge=0, le=1, description="Default: that of the collection.", allow_inf_nan=False),
]
Relations = Annotated[
    list[Literal["copy", "variant", "shot"]] | None,
    Query(
        alias="relation",
        description="With kind=copies: only matches with these relations. Default: copy.",
    ),
]
KindAsked = Annotated[
    Literal["copies", "similar"],
    Query(
        description="copies: copies of the picture. similar: everything that is related to the "
        "picture, and then what only looks similar, closest first."
    ),
]
WhyAsked = Annotated[bool, Query(description="Say where the pictures agree.")]


def _build_options(
    limit: int,
    min_similarity: float | None,
    allowed: set[str] | None,
    kind: "Kind",
    relations: "list[Relation] | None",
) -> SearchOptions:
    if kind == SIMILAR and relations:
        raise Refused(400, "relation requires kind=copies.")
    wanted = None if kind == SIMILAR else relations or [COPY]
    return SearchOptions(limit, min_similarity, allowed, kind, wanted)


def render_placement(placement: "Placement | None") -> dict[str, Any] | None:
    """Return a placement as responses describe it."""
    if placement is None:
        return None
    return {
        **placement._asdict(),
        "part_of_first": placement.part_of_first._asdict(),
        "part_of_second": placement.part_of_second._asdict(),
    }


def _render_matches(
    access: KeyAccess, hits: "list[Hit]", searched: "DescribedImage | None"
) -> dict[str, list[dict[str, Any]]]:
    ids = [hit.image_id for hit in hits]
    metadata = image_metadata.read_metadata(access.collection.pk, ids)
    where = access.images.gallery.find_placements_of(searched, ids) if searched is not None else {}
    return {
        "matches": [
            {
                "id": hit.image_id,
                "rank": hit.rank,
                "similarity": hit.similarity,
                "relation": hit.relation,
                "difference": hit.difference,
                "metadata": metadata.get(hit.image_id, {}),
                "why": render_placement(where.get(hit.image_id)),
            }
            for hit in hits
        ]
    }


@operation(
    "POST",
    "search",
    "search",
    schemas.Matches,
    reads=True,
    openapi_extra=IMAGE_BODY,
    tags=["search"],
)
def search_by_image(
    request: ApiRequest,
    limit: Limit = 100,
    min_similarity: MinSimilarity = None,
    filter_: Filter = None,
    why: WhyAsked = False,
    relations: Relations = None,
    kind: KindAsked = COPIES,
) -> dict[str, Any]:
    """Find copies of the image in the body, or images that look similar, closest first."""
    access = get_access(request)
    gallery = access.images.gallery
    allowed = find_allowed(access, filter_)
    options = _build_options(limit, min_similarity, allowed, kind, relations)
    found = access.images.search(request.body, options)
    searched = gallery.describe_image(request.body, "") if why and found.hits else None
    return _render_matches(access, found.hits, searched)


@operation("GET", f"search/{IMAGE_PATH}", "search", schemas.Matches, tags=["search"])
def search_by_id(
    request: ApiRequest,
    image_id: IdInPath,
    limit: Limit = 100,
    min_similarity: MinSimilarity = None,
    filter_: Filter = None,
    why: WhyAsked = False,
    relations: Relations = None,
    kind: KindAsked = COPIES,
) -> dict[str, Any]:
    """Find copies of a stored image, or images that look similar, excluding the image itself."""
    access = get_access(request)
    gallery = access.images.gallery
    allowed = find_allowed(access, filter_)
    options = _build_options(limit, min_similarity, allowed, kind, relations)
    found = access.images.search_by_id(check_image_id(image_id), options)
    return _render_matches(access, found.hits, gallery.read_description(image_id) if why else None)


@operation("POST", "compare", "search", schemas.Comparison, reads=True, tags=["search"])
def compare_images(request: ApiRequest, images: schemas.ToCompare) -> dict[str, Any]:
    """Return how likely two pictures are copies, and where the first is located in the second."""
    access = get_access(request)
    found = compare_pictures(
        _get_described(access, images.first), _get_described(access, images.second)
    )
    return {
        "rank": found.rank,
        "similarity": found.similarity,
        "relation": found.relation,
        "difference": found.difference,
        "is_copy": found.relation in (None, COPY)
        and found.similarity >= access.images.min_similarity,
        "why": render_placement(found.placement),
    }


def _get_described(
    access: KeyAccess, one: schemas.StoredImage | schemas.SentImage
) -> "DescribedImage":
    if isinstance(one, schemas.StoredImage):
        return access.images.gallery.read_description(check_image_id(one.id))
    return access.images.gallery.describe_image(decode_content(one.content), "")
