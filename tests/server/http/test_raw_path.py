from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import AsyncRequestFactory, RequestFactory

from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.raw_path import check_utf8, get_signed_path


def asgi(**scope: Any) -> ASGIRequest:
    request = AsyncRequestFactory().get("/api/v1/image/x%20y")
    return ASGIRequest({**request.scope, "raw_path": None, **scope}, io.BytesIO())


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"RAW_URI": "/api/v1/image/a%2fb?c=d"}, "/api/v1/image/a%2fb"),
        ({"REQUEST_URI": "/api/v1/image/%7Ea"}, "/api/v1/image/%7Ea"),
        ({"RAW_URI": "http://example.com/api/v1/image/a%2Fb?c"}, "/api/v1/image/a%2Fb"),
        ({}, "/api/v1/image/x%20y%C3%A9"),
        ({"SCRIPT_NAME": "/images"}, "/images/api/v1/image/x%20y%C3%A9"),
    ],
)
def test_what_wsgi_servers_tell(environ: dict[str, Any], path: str) -> None:
    request = RequestFactory().get("/api/v1/image/x y%C3%A9", **environ)
    assert get_signed_path(request) == path


def test_what_asgi_servers_tell() -> None:
    assert get_signed_path(asgi(raw_path=b"/api/v1/image/a%2fb")) == "/api/v1/image/a%2fb"
    assert get_signed_path(asgi()) == "/api/v1/image/x%20y"


@pytest.mark.parametrize("raw", ["/api/v1/image/%FF", "/api/v1/image/\xff", "/api/v1/image/%C3"])
def test_what_is_no_utf8_is_refused(raw: str) -> None:
    for request in (
        RequestFactory().get("/", RAW_URI=raw),
        asgi(raw_path=raw.encode("latin-1")),
    ):
        with pytest.raises(Refused) as caught:
            check_utf8(request)
        assert caught.value.status == 400
    check_utf8(RequestFactory().get("/", RAW_URI="/api/v1/image/%C3%A9"))
