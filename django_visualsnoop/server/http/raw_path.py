"""The path as the client wrote it and signed it, whichever server the project runs under."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes, urlsplit

from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.exceptions import Refused

if TYPE_CHECKING:
    from django.http import HttpRequest

#: What clients leave as it is, for servers that tell the decoded path only (API v1).
_SAFE = "/!$&'()*+,:;=@-._~"


def get_signed_path(request: HttpRequest) -> str:
    """Return the percent-encoded path, without the query, that the signature covers.

    The setting's ``PATH_PREFIX`` is put in front: a proxy has stripped it.
    """
    return get_options().path_prefix + _get_raw_path(request)


def check_utf8(request: HttpRequest) -> None:
    """Refuse a path that is not UTF-8; Django would replace or re-quote what is wrong with it.

    Raises:
        Refused: 400.
    """
    try:
        unquote_to_bytes(_get_raw_path(request).encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise Refused(
            400, "The path is not UTF-8. Percent-encode the UTF-8 bytes of the id."
        ) from None


def _get_raw_path(request: HttpRequest) -> str:
    raw = getattr(request, "scope", {}).get("raw_path")
    if raw:  # uvicorn, daphne, hypercorn
        return str(raw.decode("latin-1"))
    target = request.META.get("RAW_URI") or request.META.get("REQUEST_URI")
    if target:  # gunicorn; waitress, uWSGI, mod_wsgi
        path: str = target.partition("?")[0]
        # A proxy's form of the target (RFC 9112, 3.2.2).
        return path if path.startswith("/") else urlsplit(path).path
    return quote(request.path, safe=_SAFE)  # runserver, granian
