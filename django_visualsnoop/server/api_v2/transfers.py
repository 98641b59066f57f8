"""Taking a collection out as a file, and in again."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from ninja import Query

from django_visualsnoop.server.api_v2 import schemas
from django_visualsnoop.server.api_v2.api import ApiRequest, operation
from django_visualsnoop.server.api_v2.images import get_access
from django_visualsnoop.server.content import transfer
from django_visualsnoop.server.content.transfer_file import MEDIA_TYPE

_FILE = {MEDIA_TYPE: {"schema": {"type": "string", "description": "JSON Lines."}}}


@operation(
    "GET",
    "export",
    "read",
    {200: None},
    openapi_extra={"responses": {200: {"content": _FILE}}},
    tags=["collection"],
)
def export_collection(request: ApiRequest) -> StreamingHttpResponse:
    """Return the collection as JSON Lines: ids, times, metadata and descriptors, but no pictures.

    The export is not a snapshot. Its first line has a cursor for changes during the export. If the
    last line, `{"end": true, …}`, is missing, the file is cut off.
    """
    lines = transfer.export_collection(get_access(request).images)
    under_asgi = hasattr(request.original, "scope")
    return StreamingHttpResponse(
        _iterate_asynchronously(lines) if under_asgi else lines, content_type=MEDIA_TYPE
    )


@operation(
    "POST",
    "import",
    "write",
    schemas.Imported,
    openapi_extra={"requestBody": {"required": True, "content": _FILE}},
    tags=["collection"],
)
def import_collection(
    request: ApiRequest,
    replace: Annotated[
        bool, Query(description="Replace existing images. Otherwise, they are a 409.")
    ] = False,
) -> dict[str, Any]:
    """Import the images of an exported file. If anything is wrong with it, import nothing.

    Images that exist already with the same time, file and metadata do not change, so you may send
    a file again.
    """
    access = get_access(request)
    with access.spool_file(request) as file:
        return transfer.import_collection(access.images, file, replace=replace)._asdict()


async def _iterate_asynchronously(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    # In the thread that keeps this request's connection to the database.
    while line := await sync_to_async(lambda: next(lines, b""))():
        yield line
