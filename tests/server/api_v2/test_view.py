"""What the one view of API v2 refuses, and its documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from django_visualsnoop.engine.gallery import Gallery
from tests.server.v2 import API2, ask

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("debug", [False, True])
def test_every_refusal_is_a_problem(
    ann: Tenant, settings: Settings, monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    settings.DEBUG = debug
    settings.VISUALSNOOP_SERVER = {"MAX_BYTES": 100_000}
    for path in ("", "/", "/nothing", "/images/", "/collection/", "/bulk", "/search%0A"):
        assert ask(ann, "GET", path).status == 404, path
    for method, path, allowed in (
        ("DELETE", "/collection", "GET"),
        ("PATCH", "/images/a", "DELETE, GET, PUT"),
        ("POST", "/openapi.json", "GET"),
        ("OPTIONS", "/images", "GET, POST"),
    ):
        reply = ask(ann, method, path)
        assert reply.status == 405
        assert sorted(reply.headers["Allow"].split(", ")) == allowed.split(", ")
    assert ask(ann, "POST", "/images", b"x" * 100_001).status == 413
    assert ask(ann, "POST", "/images", b"").status == 400
    assert ask(ann, "POST", "/images", b"no picture").status == 415
    assert ask(ann, "GET", "/images?start=%FF").status == 400
    assert ask(ann, "GET", "/images?limit=1&limit=2").status == 400
    for body in (b"", b"{", b"\xff", b"[]", b'{"first": NaN}', b"[" * 90_000):
        assert ask(ann, "POST", "/compare", body).status == 400

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("of the server's own")

    monkeypatch.setattr(Gallery, "__init__", fails)
    reply = ask(ann, "GET", "/images")
    assert reply.status == 500
    assert "own" not in reply.detail


def test_plain_http_is_refused(ann: Tenant) -> None:
    assert ask(ann, "GET", "/collection", headers={"Host": "images.example.com"}).status == 403


def test_the_documents(settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"PATH_PREFIX": "/images"}
    for name in ("openapi.json", "v1-openapi.json"):
        document = ask(None, "GET", f"/{name}").body
        assert document["openapi"] == "3.1.0"
        assert document["servers"][0]["url"].startswith("/images/api/v")
    assert reverse("visualsnoop_server:api_v2") == API2
