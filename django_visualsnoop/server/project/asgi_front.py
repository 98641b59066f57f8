"""Protect ASGI applications from long bodies of unknown clients."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest

from django_visualsnoop.server.project.front import (
    ANYBODYS_BYTES,
    get_most_bytes,
    refuse_too_long,
    refuse_unknown,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]


def asgi_front(application: ASGIApplication) -> ASGIApplication:
    """Wrap an ASGI application so that it gets no long bodies of unknown clients."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _may_be_long(scope):
            await application(scope, receive, send)
            return
        request = ASGIRequest(dict(scope), BytesIO())
        refusal = await sync_to_async(refuse_unknown)(request)
        if refusal is None and _get_declared_length(scope) > get_most_bytes():
            refusal = refuse_too_long(request)
        if refusal is None:
            await application(scope, _limit_receive(receive), send)
            return
        fields = [(name.encode(), value.encode()) for name, value in refusal.items()]
        fields.append((b"Connection", b"close"))
        await send(
            {"type": "http.response.start", "status": refusal.status_code, "headers": fields}
        )
        await send({"type": "http.response.body", "body": refusal.content})

    return respond


def _limit_receive(receive: Receive) -> Receive:
    """Treat a body of undeclared length that becomes too long as cut off."""
    left = get_most_bytes()

    async def limited() -> MutableMapping[str, Any]:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return {"type": "http.disconnect"} if left < 0 else message

    return limited


def _may_be_long(scope: Scope) -> bool:
    is_chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    return is_chunked or _get_declared_length(scope) > ANYBODYS_BYTES


def _get_declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
