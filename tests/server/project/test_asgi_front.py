"""Which requests an ASGI application sees, and how much of their bodies."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.server.project.asgi_front import asgi_front
from django_visualsnoop.server.project.front import ANYBODYS_BYTES, get_most_bytes
from tests.server.v2 import bearer

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db(transaction=True)

LONG = ANYBODYS_BYTES + 1


def ask(
    headers: dict[str, str], *messages: dict[str, Any], kind: str = "http"
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what the application received, and what was sent."""
    received: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []
    left = list(messages)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while not received or (received[-1].get("more_body") and left):
            received.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return left.pop(0) if left else {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": "POST",
        "path": "/api/v2/import",
        "query_string": b"",
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
    }

    async def run() -> None:
        await asgi_front(application)(scope, receive, send)

    asyncio.run(run())
    return received, sent


def body(length: int, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": bytes(length), "more_body": more}


@pytest.mark.parametrize("length", [0, ANYBODYS_BYTES])
def test_a_short_body_is_anybodys(length: int) -> None:
    received, sent = ask({"Content-Length": str(length)}, body(length))
    assert received == [body(length)]
    assert sent[0]["status"] == 200


@pytest.mark.parametrize(
    "headers", [{"Content-Length": str(LONG)}, {"Transfer-Encoding": "chunked"}]
)
def test_nothing_is_read_of_a_long_body_of_who_is_not_known(headers: dict[str, str]) -> None:
    received, sent = ask(headers, body(LONG))
    assert received == []
    start, told = sent
    assert start["status"] == 401
    assert (b"Connection", b"close") in start["headers"]
    assert json.loads(told["body"])["status"] == 401


def test_who_is_known_sends_a_long_body(ann: Tenant) -> None:
    received, sent = ask({**bearer(ann), "Content-Length": str(LONG)}, body(LONG))
    assert received == [body(LONG)]
    assert sent[0]["status"] == 200


def test_what_is_too_long_for_all_is_refused_by_its_length(ann: Tenant, settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"MAX_BYTES": 1, "MAX_IMPORT_BYTES": 1}
    length = max(LONG, get_most_bytes() + 1)
    received, sent = ask({**bearer(ann), "Content-Length": str(length)}, body(1))
    assert received == []
    assert sent[0]["status"] == 413


def test_a_body_that_grows_too_long_is_cut_off(ann: Tenant, settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"MAX_BYTES": 1, "MAX_IMPORT_BYTES": 1}
    half = get_most_bytes() // 2 + 1
    received, _ = ask(
        {**bearer(ann), "Transfer-Encoding": "chunked"},
        body(half, more=True),
        body(half, more=True),
        body(half),
    )
    assert received == [body(half, more=True), {"type": "http.disconnect"}]


def test_what_is_no_request_is_let_through() -> None:
    received, _ = ask({"Content-Length": str(LONG)}, {"type": "x"}, kind="lifespan")
    assert received == [{"type": "x"}]
