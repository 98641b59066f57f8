"""API v1: its paths, its calls, and the one view that answers whatever is under its prefix."""

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
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.engine.exceptions import DecodeError, ImageExists, ImageMissing
from django_visualsnoop.engine.storage.times import written
from django_visualsnoop.server.api_v1 import responses
from django_visualsnoop.server.conf import options
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http import idempotency
from django_visualsnoop.server.http.authentication import authenticate
from django_visualsnoop.server.http.errors import busy, refused_picture
from django_visualsnoop.server.http.https_only import require_https
from django_visualsnoop.server.http.query_params import count_of, parameters, refuse_parameters
from django_visualsnoop.server.http.raw_path import check_utf8
from django_visualsnoop.server.http.request_body import drain, read_body
from django_visualsnoop.server.tenants.throttling import spend_bytes, spend_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from django_visualsnoop.engine.storage.store import NewImage
    from django_visualsnoop.server.content.pictures import Files
    from django_visualsnoop.server.http.authentication import Caller
    from django_visualsnoop.server.models import HostedCollection

logger = logging.getLogger("django_visualsnoop.server")

#: How many images a search finds at most.
MAX_RESULTS = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """One authenticated request."""

    request: HttpRequest
    caller: Caller
    #: The rest of the path, percent-decoded; empty where the call has none.
    image_id: str

    @property
    def collection(self) -> HostedCollection:
        return self.caller.key.collection

    @property
    def images(self) -> HostedImages:
        return HostedImages(self.collection, self.caller.check_key)

    def body(self) -> bytes:
        key = self.caller.key
        content = read_body(self.request, options().max_bytes, partial(spend_bytes, key))
        self.caller.check_body(content)
        return content


class Call(NamedTuple):
    #: What the key must allow; nothing if empty.
    scope: str
    answer: Callable[[Asked], dict[str, Any]]


def get_collection(asked: Asked) -> dict[str, Any]:
    """``GET /collection``."""
    owner = asked.collection.owner
    return {
        "collection_id": asked.collection.pk,
        "collection_name": asked.collection.name,
        "user": getattr(owner, owner.get_email_field_name(), "") or owner.get_username(),
        "message": "OK",
        "status": 200,
    }


def get_images(asked: Asked) -> dict[str, Any]:
    """``GET /images?start=&count=``."""
    query = parameters(asked.request)
    start = query.get("start")
    page = asked.images.store.page(
        None if start is None else check_image_id(start), count_of(query)
    )
    return responses.listing(asked.collection.pk, page)


def get_image(asked: Asked) -> dict[str, Any]:
    """``GET /image/{id}``."""
    stored = asked.images.store.get(asked.image_id)
    return responses.image(asked.collection.pk, stored, "OK", 200)


def post_image(asked: Asked) -> dict[str, Any]:
    """``POST /image`` and ``POST /image/{id}``."""
    body = asked.body()
    fingerprint = idempotency.fingerprint_of(asked.caller, body)
    answer = idempotency.known(fingerprint)  # before decoding, which costs the most
    if answer is None:
        new = asked.images.gallery.described(body, asked.image_id or uuid4().hex)
        images = asked.images
        with images.files_of(new) as files:
            answer = idempotency.once(fingerprint, lambda: _added(images, new, files))
    return answer


def _added(images: HostedImages, new: NewImage, files: Files) -> dict[str, Any]:
    try:
        stored = images.add(new, files=files)
        return responses.image(images.collection.pk, stored, "Added", 201)
    except ImageExists as error:
        # Returned, not raised: the same request gets it again, even if the image is gone by then.
        return Refused(409, str(error)).body


def put_image(asked: Asked) -> dict[str, Any]:
    """``PUT /image/{id}``."""
    images = asked.images
    stored = images.put(images.gallery.described(asked.body(), asked.image_id))
    outcome = ("Updated", 200) if stored.existed else ("Added", 201)
    return responses.image(asked.collection.pk, stored, *outcome)


def delete_image(asked: Asked) -> dict[str, Any]:
    """``DELETE /image/{id}``."""
    stored = asked.images.delete(asked.image_id)
    return responses.image(asked.collection.pk, stored, "Deleted", 200)


def search_by_image(asked: Asked) -> dict[str, Any]:
    """``POST /search``."""
    found = asked.images.gallery.search(asked.body(), limit=MAX_RESULTS)
    return responses.results(asked.collection.pk, found)


def search_by_id(asked: Asked) -> dict[str, Any]:
    """``GET /search/{id}``."""
    found = asked.images.gallery.search_by_id(asked.image_id, limit=MAX_RESULTS)
    results = responses.results(asked.collection.pk, found)
    assert found.image_time is not None
    return {
        **results,
        "image_id": asked.image_id,
        "image_time": written(found.image_time),
    }


#: By the first part of the path, whether an id follows, and the method. A key of any scope may
#: ask which collection it opens: clients do so first of all.
CALLS: dict[tuple[str, bool], dict[str, Call]] = {
    ("collection", False): {"GET": Call("", get_collection)},
    ("images", False): {"GET": Call("read", get_images)},
    ("image", False): {"POST": Call("write", post_image)},
    ("image", True): {
        "GET": Call("read", get_image),
        "POST": Call("write", post_image),
        "PUT": Call("write", put_image),
        "DELETE": Call("write", delete_image),
    },
    ("search", False): {"POST": Call("search", search_by_image)},
    ("search", True): {"GET": Call("search", search_by_id)},
}
#: Unknown query parameters are refused here.
_WITH_IDS = ("image", "search")


# What is written must be committed when it is answered, whatever ATOMIC_REQUESTS says.
@without_atomic_requests
@csrf_exempt
@login_not_required
def api_v1(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer whatever is asked under the prefix, with a JSON object in every case.

    Args:
        request: nothing of its body was read.
        rest: the path after the prefix, percent-decoded.
    """
    try:
        return responses.response(_answer(request, rest))
    except Refused as error:
        refused = error
    except DecodeError as error:
        refused = refused_picture(error)
    except InvalidImageIdError as error:
        refused = Refused(400, str(error))
    except ImageMissing as error:
        refused = Refused(404, str(error))
    except Exception as error:  # clients want JSON, with DEBUG too
        if is_lock_error(error):
            refused = busy()
        else:
            logger.exception("%s %s was not answered", request.method, request.path)
            refused = Refused(500, "The server could not do this. Its log says why.")
    drain(request)
    return responses.response(refused.body, refused.headers)


def _answer(request: HttpRequest, rest: str) -> dict[str, Any]:
    require_https(request)
    kind, slash, image_id = rest.partition("/")
    calls = CALLS.get((kind, bool(slash)))
    if calls is None:
        raise Refused(404, "API v1 has no such path. Is the endpoint right?")
    call = calls.get(str(request.method))
    if call is None:
        allowed = ", ".join(calls)
        raise Refused(405, f"Here the method is one of: {allowed}.", {"Allow": allowed})
    caller = authenticate(request, call.scope)
    spend_request(caller.key)
    check_utf8(request)
    if kind in _WITH_IDS:
        refuse_parameters(request)
    if slash:
        check_image_id(image_id)
    return call.answer(Asked(request, caller, image_id))
