"""Following what changes in a collection."""

from typing import Annotated, Any

from ninja import Query

from django_visualsnoop.server.api_v2 import schemas
from django_visualsnoop.server.api_v2.api import ApiRequest, operation
from django_visualsnoop.server.api_v2.images import MAX_PAGE, get_access, render_images
from django_visualsnoop.server.content import changes


@operation("GET", "changes", "read", schemas.Changes, tags=["collection"])
def list_changes(
    request: ApiRequest,
    cursor: Annotated[
        str | None,
        Query(max_length=60, description="From an earlier response. Default: all images are new."),
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=MAX_PAGE, description="About how many; up to 500 more may follow.")
    ] = 100,
) -> dict[str, Any]:
    """List images that were added, replaced or deleted, or got other metadata, since a cursor.

    Each image occurs once, in its present state. No committed change is missed. For a cursor older
    than about a day, the status may be 410; then start again without a cursor.
    """
    access = get_access(request)
    page = changes.list_changes(access.images.store, cursor, limit)
    there = [changed.image_id for changed in page.changes if not changed.deleted]
    images = {image["id"]: image for image in render_images(access, there)}
    return {
        "changes": [
            {
                "id": changed.image_id,
                "kind": "deleted" if changed.deleted else "image",
                "image": images.get(changed.image_id),
            }
            for changed in page.changes
            # One that is gone by now is told later on.
            if changed.deleted or changed.image_id in images
        ],
        "cursor": page.cursor,
        "more": page.more,
    }
