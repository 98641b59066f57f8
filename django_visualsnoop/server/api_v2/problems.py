"""The error responses of API v2: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, JsonResponse
from ninja.errors import HttpError, ValidationError

from django_visualsnoop.client.exceptions import InvalidImageIdError
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.engine.exceptions import (
    DecodeError,
    ImageExists,
    ImageMissing,
    IndexUnavailable,
)
from django_visualsnoop.server.content.changes import CursorGone
from django_visualsnoop.server.content.metadata import InvalidMetadata
from django_visualsnoop.server.content.not_duplicates import SameImage
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.errors import refuse_busy, refuse_picture, refuse_without_index

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger("django_visualsnoop.server")

MEDIA_TYPE = "application/problem+json"
_STATUS: dict[type[Exception], int] = {
    InvalidImageIdError: 400,
    InvalidMetadata: 400,
    SameImage: 400,
    ImageMissing: 404,
    ImageExists: 409,
    CursorGone: 410,
}


def refuse_error(error: Exception, request: HttpRequest) -> Refused:
    """Return the response to an error, and log errors of the server itself."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, DecodeError):
        return refuse_picture(error)
    if isinstance(error, IndexUnavailable):
        return refuse_without_index(error)
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            return Refused(status, str(error))
    if isinstance(error, Http404):
        return Refused(
            404,
            "API v2 does not have this path. openapi.json, under the same prefix, lists all paths.",
        )
    if isinstance(error, ValidationError):
        return Refused(400, _explain_invalid(error.errors))
    if isinstance(error, HttpError):
        return Refused(error.status_code, f"{error}.")
    if isinstance(error, SuspiciousOperation):
        return Refused(400, "The server cannot read the request.")
    if is_lock_error(error):
        return refuse_busy()
    logger.error("Could not answer %s %s", request.method, request.path, exc_info=error)
    return Refused(500, "The server had an error. Its log says more.")


def build_problem(refused: Refused) -> dict[str, Any]:
    """Return the members of a problem: ``status`` is the HTTP status, ``detail`` the reason."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.message,
    }


def make_response(refused: Refused) -> JsonResponse:
    """Return the HTTP response."""
    return JsonResponse(
        build_problem(refused),
        status=refused.status,
        content_type=MEDIA_TYPE,
        headers=refused.headers,
    )


def _explain_invalid(errors: list[dict[str, Any]]) -> str:
    said = []
    for error in errors[:5]:
        where = ".".join(str(part) for part in error["loc"])
        given = "" if error["type"] == "missing" else f" is {error['given']!r:.60}"
        said.append(f"{where}{given}: {error['msg']}.")
    return " ".join(said)
