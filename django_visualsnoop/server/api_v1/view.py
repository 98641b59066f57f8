"""API v1: its paths, its calls, and the one view that handles all URLs under its prefix."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from django.contrib.auth.decorators import login_not_required
from django.views.decorators.csrf import csrf_exempt

from django_visualsnoop.client.exceptions import InvalidImageIdError
from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.common.non_atomic import without_atomic_requests
from django_visualsnoop.common.search_options import COPIES, SIMILAR, SearchOptions
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.engine.exceptions import (
    DecodeError,
    ImageExists,
    ImageMissing,
    IndexUnavailable,
)
from django_visualsnoop.engine.storage.times import format_time
from django_visualsnoop.server.api_v1 import responses
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http import idempotency
from django_visualsnoop.server.http.authentication import authenticate
from django_visualsnoop.server.http.errors import refuse_busy, refuse_picture, refuse_without_index
from django_visualsnoop.server.http.https_only import require_https
from django_visualsnoop.server.http.query_params import parse_count, parse_query, refuse_parameters
from django_visualsnoop.server.http.raw_path import check_utf8
from django_visualsnoop.server.http.request_body import drain_body, read_body
from django_visualsnoop.server.tenants.throttling import throttle_request, throttle_upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from django_visualsnoop.server.content.pictures import NewPicture, StoredFiles
    from django_visualsnoop.server.http.authentication import Caller
    from django_visualsnoop.server.models import HostedCollection

logger = logging.getLogger("django_visualsnoop.server")

#: The maximum number of images that a search returns.
MAX_RESULTS = 100


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request."""

    request: HttpRequest
    caller: Caller
    #: The rest of the path, percent-decoded; empty if the call has none.
    image_id: str

    @property
    def collection(self) -> HostedCollection:
        return self.caller.key.collection

    @property
    def images(self) -> HostedImages:
        return HostedImages(self.collection, self.caller.check_key)

    def body(self) -> bytes:
        key = self.caller.key
        content = read_body(self.request, get_options().max_bytes, partial(throttle_upload, key))
        self.caller.check_body(content)
        return content


class Operation(NamedTuple):
    #: The scope that the key must have; any if empty.
    scope: str
    answer: Callable[[Call], dict[str, Any]]


def get_collection(call: Call) -> dict[str, Any]:
    """``GET /collection``."""
    owner = call.collection.owner
    return {
        "collection_id": call.collection.pk,
        "collection_name": call.collection.name,
        "user": getattr(owner, owner.get_email_field_name(), "") or owner.get_username(),
        "message": "OK",
        "status": 200,
    }


def get_images(call: Call) -> dict[str, Any]:
    """``GET /images?start=&count=``."""
    query = parse_query(call.request)
    start = query.get("start")
    page = call.images.store.read_page(
        None if start is None else check_image_id(start), parse_count(query)
    )
    return responses.build_listing(call.collection.pk, page)


def get_image(call: Call) -> dict[str, Any]:
    """``GET /image/{id}``."""
    stored = call.images.store.get(call.image_id)
    return responses.build_image(call.collection.pk, stored, "OK", 200)


def post_image(call: Call) -> dict[str, Any]:
    """``POST /image`` and ``POST /image/{id}``."""
    body = call.body()
    fingerprint = idempotency.compute_fingerprint(call.caller, body)
    answer = idempotency.find_response(fingerprint)  # before decoding, which costs the most
    if answer is None:
        new = call.images.describe(body, call.image_id or uuid4().hex)
        images = call.images
        with images.store_files(new) as files:
            answer = idempotency.respond_once(
                fingerprint, images.collection.pk, lambda: _add_image(images, new, files)
            )
    return answer


def _add_image(images: HostedImages, new: NewPicture, files: StoredFiles) -> dict[str, Any]:
    try:
        stored = images.add(new, files=files)
        return responses.build_image(images.collection.pk, stored, "Added", 201)
    except ImageExists as error:
        # Return this instead of raising it: the same request gets it again, even if the image no
        # longer exists by then.
        return Refused(409, str(error)).body


def put_image(call: Call) -> dict[str, Any]:
    """``PUT /image/{id}``."""
    images = call.images
    stored = images.put(images.describe(call.body(), call.image_id))
    outcome = ("Updated", 200) if stored.existed else ("Added", 201)
    return responses.build_image(call.collection.pk, stored, *outcome)


def delete_image(call: Call) -> dict[str, Any]:
    """``DELETE /image/{id}``."""
    stored = call.images.delete(call.image_id)
    return responses.build_image(call.collection.pk, stored, "Deleted", 200)


def search_by_image(call: Call) -> dict[str, Any]:
    """``POST /search``."""
    found = call.images.search(call.body(), _build_options(call))
    return responses.build_results(call.collection.pk, found)


def _build_options(call: Call) -> SearchOptions:
    kind = SIMILAR if call.collection.v1_finds_similar else COPIES
    return SearchOptions(limit=MAX_RESULTS, kind=kind)


def search_by_id(call: Call) -> dict[str, Any]:
    """``GET /search/{id}``."""
    found = call.images.search_by_id(call.image_id, _build_options(call))
    results = responses.build_results(call.collection.pk, found)
    assert found.image_time is not None
    return {
        **results,
        "image_id": call.image_id,
        "image_time": format_time(found.image_time),
    }


#: The calls, by the first part of the path, whether an id follows, and the method. Keys of all
#: scopes may ask for their collection, because clients do so first.
OPERATIONS: dict[tuple[str, bool], dict[str, Operation]] = {
    ("collection", False): {"GET": Operation("", get_collection)},
    ("images", False): {"GET": Operation("read", get_images)},
    ("image", False): {"POST": Operation("write", post_image)},
    ("image", True): {
        "GET": Operation("read", get_image),
        "POST": Operation("write", post_image),
        "PUT": Operation("write", put_image),
        "DELETE": Operation("write", delete_image),
    },
    ("search", False): {"POST": Operation("search", search_by_image)},
    ("search", True): {"GET": Operation("search", search_by_id)},
}
#: Calls with these first parts refuse unknown query parameters.
_WITH_IDS = ("image", "search")


# Writes must be committed before the response, whatever ATOMIC_REQUESTS says.
@without_atomic_requests
@csrf_exempt
@login_not_required
def api_v1(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Handle every request under the prefix, and always return a JSON object.

    Args:
        request: the request; its body is unread.
        rest: the path after the prefix, percent-decoded.
    """
    try:
        return responses.make_response(_answer(request, rest))
    except Refused as error:
        refused = error
    except DecodeError as error:
        refused = refuse_picture(error)
    except InvalidImageIdError as error:
        refused = Refused(400, str(error))
    except ImageMissing as error:
        refused = Refused(404, str(error))
    except IndexUnavailable as error:
        refused = refuse_without_index(error)
    except Exception as error:  # clients need JSON, also with DEBUG
        if is_lock_error(error):
            refused = refuse_busy()
        else:
            logger.exception("%s %s was not answered", request.method, request.path)
            refused = Refused(500, "The server could not do this. Its log says why.")
    drain_body(request)
    return responses.make_response(refused.body, refused.headers)


def _answer(request: HttpRequest, rest: str) -> dict[str, Any]:
    require_https(request)
    kind, slash, image_id = rest.partition("/")
    operations = OPERATIONS.get((kind, bool(slash)))
    if operations is None:
        raise Refused(404, "API v1 has no such path. Is the endpoint right?")
    operation = operations.get(str(request.method))
    if operation is None:
        allowed = ", ".join(operations)
        raise Refused(405, f"Here the method is one of: {allowed}.", {"Allow": allowed})
    caller = authenticate(request, operation.scope)
    throttle_request(caller.key)
    check_utf8(request)
    if kind in _WITH_IDS:
        refuse_parameters(request)
    if slash:
        check_image_id(image_id)
    return operation.answer(Call(request, caller, image_id))
