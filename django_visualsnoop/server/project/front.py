"""Who sends a long body: asked by the head of the request, before the body is read.

Waitress and ASGI servers read a body, or let Django read it, before the application sees the
request. Nobody unknown is to fill memory and disk like that; see ``waitress_front`` and
``asgi_front``.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user
from django.db import close_old_connections
from django.urls import reverse

from django_visualsnoop.server.api_v1 import responses
from django_visualsnoop.server.api_v2 import problems
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.authentication import identify
from django_visualsnoop.server.pages.rendering import get_largest_form

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

logger = logging.getLogger("django_visualsnoop.server")

#: Anybody may send so much; a body is kept in memory up to here.
ANYBODYS_BYTES = 256 * 1024


def get_most_bytes() -> int:
    """Return the longest body that is read, of anybody."""
    return max(get_options().max_import_bytes, get_largest_form())


def refuse_unknown(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to who may not send a long body; ``None`` if the request is known.

    Args:
        request: its body is not looked at.
    """
    v1, v2 = (reverse(f"visualsnoop_server:{name}") for name in ("api_v1", "api_v2"))
    close_old_connections()
    try:
        if _is_under(request.path, v2):
            identify(request, "", bearer=True)
        elif _is_under(request.path, v1):
            identify(request, "")
        else:
            _require_session(request)
    except Refused as error:
        return _answer(request, error)
    except Exception:
        logger.exception("Could not find out who sends a long body to %s", request.path)
        return _answer(
            request, Refused(503, "The server cannot do this now. Try again.", {"Retry-After": "5"})
        )
    finally:
        close_old_connections()
    return None


def refuse_too_long(request: HttpRequest) -> HttpResponse:
    """Return the answer to a body that is too long for all."""
    return _answer(
        request,
        Refused(413, f"The body is too long; at most {get_most_bytes():,} bytes are allowed."),
    )


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _require_session(request: HttpRequest) -> None:
    sessions: Any = import_module(settings.SESSION_ENGINE)
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    request.session = sessions.SessionStore(key)
    if not get_user(request).is_authenticated:
        raise Refused(401, f"Sign in to send more than {ANYBODYS_BYTES:,} bytes.")


def _answer(request: HttpRequest, refused: Refused) -> HttpResponse:
    if _is_under(request.path, reverse("visualsnoop_server:api_v2")):
        return problems.make_response(refused)
    return responses.make_response(refused.body, refused.headers)
