from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.request_body import drain_body, read_body

if TYPE_CHECKING:
    from django.http import HttpRequest


class Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError


def wsgi(content: bytes, declared: str | None = None, **environ: Any) -> HttpRequest:
    base = RequestFactory().generic("POST", "/").environ
    base.pop("CONTENT_LENGTH", None)
    length = {} if declared is None else {"CONTENT_LENGTH": declared}
    return WSGIRequest({**base, "wsgi.input": io.BytesIO(content), **length, **environ})


def asgi(content: bytes, declared: bytes | None = None) -> HttpRequest:
    headers = [] if declared is None else [(b"content-length", declared)]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
    return ASGIRequest(scope, io.BytesIO(content))


def refusal(request: HttpRequest, max_bytes: int = 10) -> int:
    with pytest.raises(Refused) as caught:
        read_body(request, max_bytes)
    return caught.value.status


def test_whole_bodies() -> None:
    assert read_body(wsgi(b"12345678901", "10"), 10) == b"1234567890"
    assert read_body(wsgi(b"", "0"), 10) == b""
    assert read_body(wsgi(b"left by no one", None), 10) == b""
    assert read_body(asgi(b"1234567890"), 10) == b"1234567890"
    assert read_body(asgi(b"1234", b"4"), 10) == b"1234"
    large = bytes(3_000_000)  # more than DATA_UPLOAD_MAX_MEMORY_SIZE
    assert read_body(wsgi(large, "3000000"), 3_000_000) == large


def test_refusals() -> None:
    assert refusal(wsgi(b"12345678901", "11")) == 413
    assert refusal(asgi(b"12345678901")) == 413
    assert refusal(wsgi(b"123", "4")) == 400
    assert refusal(asgi(b"123", b"4")) == 400
    assert refusal(wsgi(b"123", "-3")) == 400
    assert refusal(wsgi(b"123", "²")) == 400
    assert refusal(wsgi(b"123", None, HTTP_TRANSFER_ENCODING="chunked")) == 411
    assert refusal(wsgi(b"", "4", **{"wsgi.input": Broken()})) == 400


def test_the_rest_is_read_and_forgotten_up_to_a_limit() -> None:
    request = wsgi(bytes(1_000_000), "1000000")
    drain_body(request, 10**6)
    assert request.read() == b""
    request = wsgi(bytes(1_000_000), "1000000")
    drain_body(request, 1000)
    assert request.read() != b""
    drain_body(wsgi(b"", "4", **{"wsgi.input": Broken()}), 1000)


def test_chunks_are_forgotten_only_where_they_end() -> None:
    endless = wsgi(b"123", "?", HTTP_TRANSFER_ENCODING="chunked")
    drain_body(endless, 1000)
    assert endless.META["wsgi.input"].read() == b"123"
    ends = wsgi(b"123", None, **{"wsgi.input_terminated": True})
    drain_body(ends, 1000)
    assert ends.META["wsgi.input"].read() == b""
