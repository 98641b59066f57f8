"""Adding and deleting many images in one request; each succeeds or fails on its own."""

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.server.api_v2 import problems, schemas
from django_visualsnoop.server.api_v2.api import ApiRequest, KeyAccess, operation
from django_visualsnoop.server.api_v2.base64_content import decode_content
from django_visualsnoop.server.api_v2.images import get_access
from django_visualsnoop.server.content import metadata as image_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@operation("POST", "bulk/add", "write", schemas.Outcomes, reads=True, tags=["bulk"])
def add_many(request: ApiRequest, images: schemas.ManyImages) -> dict[str, Any]:
    """Add up to 100 images. Each is added or refused separately."""
    access = get_access(request)
    acts = ((one.id, partial(_add_image, access, one, images.replace)) for one in images.images)
    return _collect_outcomes(request, acts)


@operation("POST", "bulk/delete", "write", schemas.Outcomes, reads=True, tags=["bulk"])
def delete_many(request: ApiRequest, images: schemas.ManyIds) -> dict[str, Any]:
    """Delete up to 1,000 images. The status of an image that does not exist is 404."""
    access = get_access(request)
    return _collect_outcomes(
        request, ((one, partial(_delete_image, access, one)) for one in images.ids)
    )


def _add_image(access: KeyAccess, one: schemas.NewImage, replace: bool) -> tuple[str, int]:
    image_id = uuid4().hex if one.id is None else check_image_id(one.id)
    metadata = None if one.metadata is None else image_metadata.check_metadata(one.metadata)
    images = access.images
    new = images.describe(decode_content(one.content), image_id)
    if replace:
        return image_id, 200 if images.put(new, metadata).existed else 201
    images.add(new, metadata)
    return image_id, 201


def _delete_image(access: KeyAccess, image_id: str) -> tuple[str, int]:
    access.images.delete(check_image_id(image_id))
    return image_id, 204


def _collect_outcomes(
    request: ApiRequest, acts: "Iterable[tuple[str | None, Callable[[], tuple[str, int]]]]"
) -> dict[str, Any]:
    outcomes = []
    for given_id, act in acts:
        try:
            image_id, status = act()
            outcomes.append({"id": image_id, "status": status})
        except Exception as error:  # noqa: BLE001 -- the others are not its fault
            refused = problems.refuse_error(error, request.original)
            outcomes.append({"id": given_id, "status": refused.status, "detail": refused.message})
    return {"outcomes": outcomes}
