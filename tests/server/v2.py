"""Calls of API v2 within this process."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.test import Client

from tests.collections.contract import image

if TYPE_CHECKING:
    from tests.server.hosting import Tenant

API2 = "/api/v2"


@dataclass(frozen=True)
class Answer:
    """What API v2 answered; all that it promises of every answer is checked."""

    status: int
    content: bytes
    headers: dict[str, str]

    def __post_init__(self) -> None:
        assert "Set-Cookie" not in self.headers
        assert "Location" not in self.headers
        assert self.headers["Cache-Control"] == "no-store"
        if self.status >= 400:
            assert self.headers["Content-Type"] == "application/problem+json"
            assert self.body.keys() == {"type", "title", "status", "detail"}
            assert self.body["status"] == self.status

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def detail(self) -> str:
        return str(self.body["detail"])


def bearer(whose: Tenant) -> dict[str, str]:
    return {"Authorization": f"Bearer {whose.public_key}.{whose.secret}"}


def ask(
    whose: Tenant | None,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    data: object = None,
    headers: dict[str, str] | None = None,
    **query: object,
) -> Answer:
    """Make a call; ``path`` comes after the prefix, percent-encoded, and ``data`` is JSON."""
    content = body or b"" if data is None else json.dumps(data).encode()
    target, _, given = f"{API2}{path}".partition("?")
    response: Any = Client().generic(
        method,
        target,
        content,
        content_type="",
        headers={**(bearer(whose) if whose else {}), **(headers or {})},
        QUERY_STRING=given or urlencode(query),
    )
    streamed = getattr(response, "streaming", False)
    sent = b"".join(response.streaming_content) if streamed else response.content
    return Answer(response.status_code, sent, dict(response.items()))


def put(whose: Tenant, image_id: str, seed: int, **metadata: object) -> dict[str, Any]:
    """Add or replace a picture of the tests; return what is told of it."""
    query = {"metadata": json.dumps(metadata)} if metadata else {}
    answer = ask(whose, "PUT", f"/images/{image_id}?{urlencode(query)}", image(seed))
    assert answer.status in (200, 201), answer.content
    body: dict[str, Any] = answer.body
    return body


def base64(content: bytes) -> str:
    return b64encode(content).decode()
