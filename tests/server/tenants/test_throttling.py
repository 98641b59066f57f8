from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from tests.collections.contract import image
from tests.server.hosting import Tenant, another_key, call, tenant

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stop the clock; the function moves it on by so many seconds."""
    now = time.time_ns()

    def move_on(seconds: float) -> None:
        nonlocal now
        now += int(seconds * 1_000_000_000)

    monkeypatch.setattr(time, "time_ns", lambda: now)
    return move_on


@pytest.mark.django_db
def test_requests_per_minute(ann: Tenant, clock: Callable[[float], None]) -> None:
    ann.limit(requests_per_minute=3)
    assert [call(ann, "GET", "/images").status for _ in range(4)] == [200, 200, 200, 429]
    # Before the body is looked at.
    refused = call(ann, "POST", "/image", b"no picture")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "20")
    assert "3 requests per minute" in refused.body["message"]
    assert call(another_key(ann.collection_id), "GET", "/images").status == 200
    clock(19.5)
    assert call(ann, "GET", "/images").headers["Retry-After"] == "1"
    clock(0.5)
    assert [call(ann, "GET", "/images").status for _ in range(2)] == [200, 429]
    clock(3600)
    assert [call(ann, "GET", "/images").status for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.django_db
def test_no_limit_costs_no_statement(ann: Tenant) -> None:
    call(ann, "PUT", "/image/a", image(1))
    with CaptureQueriesContext(connection) as queries:
        assert call(ann, "GET", "/image/a").status == 200
    assert len(queries) == 2
    ann.limit(requests_per_minute=10)
    with CaptureQueriesContext(connection) as queries:
        assert call(ann, "GET", "/image/a").status == 200
    assert len(queries) == 3


@pytest.mark.django_db
def test_images_of_a_collection(ann: Tenant) -> None:
    ann.limit(max_images=2)
    assert call(ann, "POST", "/image/a", image(1)).status == 201
    assert call(ann, "PUT", "/image/b", image(1)).status == 201
    for method, path in (("POST", "/image"), ("POST", "/image/c"), ("PUT", "/image/c")):
        reply = call(ann, method, path, image(1))
        assert reply.status == 429
        assert "2 images" in reply.body["message"]
        assert "Retry-After" not in reply.headers
    # No more places are needed for these.
    assert call(ann, "PUT", "/image/a", image(2)).status == 200
    assert call(ann, "POST", "/image/b", image(2)).status == 409
    call(ann, "DELETE", "/image/a")
    # A refusal was no outcome to keep.
    assert call(ann, "POST", "/image/c", image(1)).status == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_the_last_place_is_given_once(method: str) -> None:
    ann = tenant()
    ann.limit(max_images=1)

    def upload(number: int) -> int:
        try:
            return call(ann, method, f"/image/{number}", image(1)).status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(upload, range(3))) == [201, 429, 429]
