"""Who sends a long body: asked by the head of the request, before the body is read.

Waitress and ASGI servers read a body, or let Django read it, before the application sees the
request. Nobody unknown is to fill memory and disk like that.
"""

from __future__ import annotations

import logging
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.urls import reverse

from django_visualsnoop.server import answers
from django_visualsnoop.server.answers import Refused
from django_visualsnoop.server.api_v2 import problems
from django_visualsnoop.server.authentication import identify
from django_visualsnoop.server.conf import options
from django_visualsnoop.server.pages.answering import largest_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from django.http import HttpRequest, HttpResponse

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

# By name: they have no types.
_channel: Any = import_module("waitress.channel")
_parser: Any = import_module("waitress.parser")

logger = logging.getLogger("django_visualsnoop.server")

#: Anybody may send so much; a body is kept in memory up to here.
ANYBODYS_BYTES = 256 * 1024


def most_bytes() -> int:
    """Return the longest body that is read, of anybody."""
    return max(options().max_import_bytes, largest_form())


def refusal_of(request: HttpRequest) -> HttpResponse | None:
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
        logger.exception("Who sends a long body to %s cannot be told", request.path)
        return _answer(
            request, Refused(503, "The server cannot do this now.", {"Retry-After": "5"})
        )
    finally:
        close_old_connections()
    return None


def too_long(request: HttpRequest) -> HttpResponse:
    """Return the answer to a body that is too long for all."""
    return _answer(request, Refused(413, f"At most {most_bytes():,} bytes are read."))


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _require_session(request: HttpRequest) -> None:
    sessions: Any = import_module(settings.SESSION_ENGINE)
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    request.session = sessions.SessionStore(key)
    if not get_user(request).is_authenticated:
        raise Refused(401, f"Sign in before you send more than {ANYBODYS_BYTES:,} bytes.")


def _answer(request: HttpRequest, refused: Refused) -> HttpResponse:
    if _is_under(request.path, reverse("visualsnoop_server:api_v2")):
        return problems.response(refused)
    return answers.response(refused.body, refused.headers)


class _Refusal:
    """An answer in the form of waitress's own errors."""

    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:  # noqa: ARG002 -- waitress's
        response = self._response
        return (
            f"{response.status_code} {response.reason_phrase}",
            list(response.items()),
            response.content,
        )


class Parser(_parser.HTTPRequestParser):  # type: ignore[misc, name-defined]
    """Ends a request after its head, if its body is long and nobody knows who sends it."""

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self._refusal: HttpResponse | None = None

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked or self.content_length > ANYBODYS_BYTES:
            self._refusal = refusal_of(self._head())
            if self._refusal is not None:
                self.expect_continue = False

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if isinstance(self.error, _parser.RequestEntityTooLarge):
            self.error = _Refusal(too_long(self._head()))
        elif self._refusal is not None and self.error is None:
            self.error = _Refusal(self._refusal)
            self.completed = True
        return consumed

    def _head(self) -> HttpRequest:
        fields = {
            name if name.startswith("CONTENT_") else f"HTTP_{name}": value
            for name, value in self.headers.items()
        }
        return WSGIRequest(
            {
                **fields,
                "REQUEST_METHOD": self.command.upper(),
                "SCRIPT_NAME": "",
                "PATH_INFO": self.path,
                "QUERY_STRING": self.query,
                "REQUEST_URI": self.request_uri,
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "wsgi.url_scheme": self.url_scheme,
                "wsgi.input": BytesIO(),
            }
        )


class Channel(_channel.HTTPChannel):  # type: ignore[misc, name-defined]
    """What waitress keeps of one connection."""

    parser_class = Parser


def asgi_front(application: ASGIApplication) -> ASGIApplication:
    """Let an ASGI application see no request with a long body of who is not known."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _may_be_long(scope):
            await application(scope, receive, send)
            return
        request = ASGIRequest(dict(scope), BytesIO())
        refusal = await sync_to_async(refusal_of)(request)
        if refusal is None and _declared(scope) > most_bytes():
            refusal = too_long(request)
        if refusal is None:
            await application(scope, _limited(receive), send)
            return
        fields = [(name.encode(), value.encode()) for name, value in refusal.items()]
        fields.append((b"Connection", b"close"))
        await send(
            {"type": "http.response.start", "status": refusal.status_code, "headers": fields}
        )
        await send({"type": "http.response.body", "body": refusal.content})

    return answered


def _limited(receive: Receive) -> Receive:
    """Take a body that grows too long, of undeclared length, for one that was cut off."""
    left = most_bytes()

    async def limited() -> MutableMapping[str, Any]:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return {"type": "http.disconnect"} if left < 0 else message

    return limited


def _may_be_long(scope: Scope) -> bool:
    is_chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    return is_chunked or _declared(scope) > ANYBODYS_BYTES


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
