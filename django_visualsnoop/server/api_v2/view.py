"""The one view that answers whatever is under the prefix of API v2."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, JsonResponse
from django.urls.resolvers import RegexPattern, URLResolver
from django.views.decorators.csrf import csrf_exempt

from django_visualsnoop.common.non_atomic import without_atomic_requests
from django_visualsnoop.server.api_v1.openapi import build_document
from django_visualsnoop.server.api_v2 import (  # noqa: F401 -- they register their operations
    bulk,
    changes,
    duplicates,
    images,
    problems,
    searches,
    transfers,
)
from django_visualsnoop.server.api_v2.api import ApiRequest, api
from django_visualsnoop.server.api_v2.documentation import render_documentation
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.headers import HEADERS
from django_visualsnoop.server.http.https_only import require_https
from django_visualsnoop.server.http.request_body import drain_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

#: They are for anyone: they say nothing of any collection.
DOCUMENTS: dict[str, Callable[[], HttpResponse]] = {
    "openapi.json": lambda: JsonResponse(api.document()),
    "v1-openapi.json": lambda: JsonResponse(build_document()),
    "docs": lambda: HttpResponse(render_documentation(api.document()), headers=HEADERS),
}


# What is written must be committed when it is answered, whatever ATOMIC_REQUESTS says.
@without_atomic_requests
@csrf_exempt
@login_not_required
def api_v2(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    """Answer whatever is asked under the prefix, and what is refused as a problem in JSON.

    Args:
        request: nothing of its body was read.
        rest: the path after the prefix, percent-decoded.
    """
    try:
        response = _answer(request, rest)
    except Exception as error:  # noqa: BLE001 -- each is told as a problem, and logged if ours
        drain_body(request)
        response = problems.make_response(problems.refuse_error(error, request))
    # Answers are one user's, and true for a moment.
    response["Cache-Control"] = "no-store"
    return response


def _answer(request: HttpRequest, rest: str) -> HttpResponseBase:
    require_https(request)
    if rest in DOCUMENTS:
        if request.method != "GET":
            raise _refuse_method("GET")
        return DOCUMENTS[rest]()
    view, args, named = _get_resolver().resolve(rest)
    response: HttpResponseBase = view(ApiRequest(request), *args, **named)
    if response.status_code == 405:
        raise _refuse_method(str(response["Allow"]))
    return response


@cache
def _get_resolver() -> URLResolver:
    return URLResolver(RegexPattern(r"^"), api.urls[0])


def _refuse_method(allowed: str) -> Refused:
    return Refused(405, f"This path supports only {allowed}.", {"Allow": allowed})
