"""Operations that add, replace, get and delete images."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

from ninja import Body, Path, Query, Status

from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.engine.exceptions import build_image_missing
from django_visualsnoop.engine.storage.times import format_time
from django_visualsnoop.server.api_v2 import schemas
from django_visualsnoop.server.api_v2.api import ApiRequest, KeyAccess, operation
from django_visualsnoop.server.content import changes
from django_visualsnoop.server.content import metadata as image_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_visualsnoop.server.content.metadata import Value

MAX_PAGE = 1000
IMAGE_PATH = "{visualsnoop_image_id:image_id}"

#: A request body that is an image file.
IMAGE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary", "description": "An image file."}
            }
        },
    }
}
IdInPath = Annotated[str, Path(max_length=100, description="The image id.")]
MetadataInQuery = Annotated[
    str | None,
    Query(
        description="A JSON object to store with the image. Web servers log queries; to keep it "
        "out of logs, send it in a body with PUT metadata/ID or bulk/add."
    ),
]
Filter = Annotated[
    str | None,
    Query(
        alias="filter",
        description="A JSON object. Select images whose metadata has each of these values or, for "
        "a list, one of the values in the list.",
        examples=['{"sku": 5, "colour": ["red", "blue"]}'],
    ),
]


def get_access(request: ApiRequest) -> KeyAccess:
    return request.auth


def parse_metadata(text: str | None) -> "dict[str, Value] | None":
    return (
        None
        if text is None
        else image_metadata.check_metadata(image_metadata.parse_json(text, "metadata"))
    )


def find_allowed(access: KeyAccess, text: str | None) -> set[str] | None:
    """Return the ids of the images that match a filter; ``None`` without a filter."""
    if text is None:
        return None
    return image_metadata.find_matching(
        access.collection.pk, image_metadata.check_filter(image_metadata.parse_json(text, "filter"))
    )


def render_images(access: KeyAccess, image_ids: "Iterable[str]") -> list[dict[str, Any]]:
    """Return images as responses describe them, in this order, without deleted ones."""
    ids = list(image_ids)
    details = access.images.store.read_details(ids)
    metadata = image_metadata.read_metadata(access.collection.pk, ids)
    return [
        {
            "id": one.image_id,
            "time": format_time(one.image_time),
            "width": one.width,
            "height": one.height,
            "sha256": one.digest,
            "metadata": metadata.get(one.image_id, {}),
        }
        for one in map(details.get, ids)
        if one is not None
    ]


def render_image(access: KeyAccess, image_id: str) -> dict[str, Any]:
    """Return an image as responses describe it.

    Raises:
        ImageMissing: the image does not exist.
    """
    for image in render_images(access, [image_id]):
        return image
    raise build_image_missing(image_id)


@operation("GET", "collection", "", schemas.CollectionInfo, tags=["collection"])
def get_collection(request: ApiRequest) -> dict[str, Any]:
    """Return the collection of the key, its limits and the number of its images."""
    access = get_access(request)
    hosted, store = access.collection, access.images.store
    cursor = changes.get_cursor(store)  # first: anything later is a change
    return {
        "id": hosted.pk,
        "name": hosted.name,
        "count": store.count(),
        "min_similarity": access.images.min_similarity,
        "limits": {
            "images": hosted.max_images,
            "requests_per_minute": hosted.requests_per_minute,
            "bytes_per_day": hosted.bytes_per_day,
        },
        "cursor": cursor,
    }


@operation("GET", "count", "read", schemas.Count, tags=["collection"])
def count_images(request: ApiRequest, filter_: Filter = None) -> dict[str, Any]:
    """Count all images, or those that match a filter."""
    access = get_access(request)
    allowed = find_allowed(access, filter_)
    return {"count": access.images.store.count() if allowed is None else len(allowed)}


@operation("GET", "images", "read", schemas.ImagePage, tags=["images"])
def list_images(
    request: ApiRequest,
    start: Annotated[
        str | None, Query(min_length=1, max_length=100, description="`next` of the previous page.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> dict[str, Any]:
    """List a page of images, newest first."""
    access = get_access(request)
    page = access.images.store.read_page(None if start is None else check_image_id(start), limit)
    images = render_images(access, (stored.image_id for stored in page.images))
    return {"images": images, "next": page.next_image_id}


@operation(
    "POST",
    "images",
    "write",
    {201: schemas.Image},
    reads=True,
    openapi_extra=IMAGE_BODY,
    tags=["images"],
)
def add_image(request: ApiRequest, metadata: MetadataInQuery = None) -> Status[Any]:
    """Add an image; the server chooses its id. If you send it again, it is added again."""
    access = get_access(request)
    given = parse_metadata(metadata)
    new = access.images.describe(request.body, uuid4().hex)
    access.images.add(new, given)
    return Status(201, render_image(access, new.image.image_id))


@operation("GET", f"images/{IMAGE_PATH}", "read", schemas.Image, tags=["images"])
def get_image(request: ApiRequest, image_id: IdInPath) -> dict[str, Any]:
    """Return the data of an image."""
    return render_image(get_access(request), check_image_id(image_id))


@operation(
    "PUT",
    f"images/{IMAGE_PATH}",
    "write",
    {200: schemas.Image, 201: schemas.Image},
    reads=True,
    openapi_extra=IMAGE_BODY,
    tags=["images"],
)
def put_image(
    request: ApiRequest, image_id: IdInPath, metadata: MetadataInQuery = None
) -> Status[Any]:
    """Add an image, or replace the image that has this id.

    If you send no metadata, the image keeps its metadata.
    """
    access = get_access(request)
    given = parse_metadata(metadata)
    new = access.images.describe(request.body, check_image_id(image_id))
    stored = access.images.put(new, given)
    return Status(200 if stored.existed else 201, render_image(access, image_id))


@operation("DELETE", f"images/{IMAGE_PATH}", "write", {204: None}, tags=["images"])
def delete_image(request: ApiRequest, image_id: IdInPath) -> Status[None]:
    """Delete an image, its metadata and its marks."""
    get_access(request).images.delete(check_image_id(image_id))
    return Status(204, None)


@operation("PUT", f"metadata/{IMAGE_PATH}", "write", schemas.Image, reads=True, tags=["images"])
def put_metadata(
    request: ApiRequest, image_id: IdInPath, metadata: Annotated[schemas.Metadata, Body()]
) -> dict[str, Any]:
    """Replace the metadata of an image."""
    access = get_access(request)
    access.images.set_metadata(check_image_id(image_id), image_metadata.check_metadata(metadata))
    return render_image(access, image_id)
