"""Many images in one request of API v2, and the limit of bytes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.collections.contract import image
from tests.server.hosting import Tenant, another_key, call
from tests.server.v2 import ask, base64, put

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def test_each_image_is_added_or_refused_on_its_own(ann: Tenant) -> None:
    put(ann, "old", 1, x=1)
    good = base64(image(1))
    images: list[dict[str, Any]] = [
        {"id": "a", "content": good, "metadata": {"sku": 5}},
        {"content": good},
        {"id": "old", "content": good},
        {"id": "..", "content": good},
        {"id": "b", "content": base64(b"no picture")},
        {"id": "c", "content": "?"},
        {"id": "d", "content": good, "metadata": {"x" * 51: 1}},
        {"id": "a", "content": good},
    ]
    outcomes = ask(ann, "POST", "/bulk/add", data={"images": images}).body["outcomes"]
    statuses = [201, 201, 409, 400, 415, 400, 400, 409]
    assert [outcome["status"] for outcome in outcomes] == statuses
    assert [outcome["id"] for outcome in outcomes][2:] == [one["id"] for one in images[2:]]
    assert all((outcome["detail"] is None) == (outcome["status"] < 300) for outcome in outcomes)
    assert ask(ann, "GET", "/count").body == {"count": 3}
    assert ask(ann, "GET", "/images/a").body["metadata"] == {"sku": 5}
    again = {"images": [{"id": "old", "content": good}], "replace": True}
    assert ask(ann, "POST", "/bulk/add", data=again).body["outcomes"][0]["status"] == 200
    assert ask(ann, "GET", "/images/old").body["metadata"] == {"x": 1}


def test_a_full_collection_takes_what_fits(ann: Tenant) -> None:
    ann.limit(max_images=2)
    images = [{"id": name, "content": base64(image(1))} for name in "abc"]
    outcomes = ask(ann, "POST", "/bulk/add", data={"images": images}).body["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == [201, 201, 429]


def test_deleting_many(ann: Tenant) -> None:
    for name in "ab":
        put(ann, name, 1, x=1)
    ids = ["a", "z", "b", "a", "."]
    outcomes = ask(ann, "POST", "/bulk/delete", data={"ids": ids}).body["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == [204, 404, 204, 404, 400]
    assert [outcome["id"] for outcome in outcomes] == ids
    assert ask(ann, "GET", "/count").body == {"count": 0}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"images": []},
        {"images": [{"id": "a"}]},
        {"images": [{"id": "a", "content": "x", "meta": 1}]},
        {"images": [{"id": 5, "content": "x"}]},
        {"images": [{"id": "a", "content": "x"}], "replace": "yes"},
        {"images": [{"id": "x" * 101, "content": "x"}]},
        {"images": [{"id": "a", "content": "x"}] * 101},
        [],
    ],
)
def test_a_request_that_is_not_right_does_nothing(ann: Tenant, data: object) -> None:
    reply = ask(ann, "POST", "/bulk/add", data=data)
    assert reply.status == 400
    assert "body" in reply.detail
    assert len(reply.content) < 2000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stop the clock; the function moves it on by so many seconds."""
    now = time.time_ns()

    def move_on(seconds: float) -> None:
        nonlocal now
        now += int(seconds * 1_000_000_000)

    monkeypatch.setattr(time, "time_ns", lambda: now)
    return move_on


def test_bytes_per_day(ann: Tenant, clock: Callable[[float], None]) -> None:
    size = len(image(1))
    ann.limit(bytes_per_day=2 * size)
    assert call(ann, "PUT", "/image/a", image(1)).status == 201
    assert ask(ann, "PUT", "/images/a", image(1)).status == 200
    # Before anything is read or decoded.
    refused = ask(ann, "POST", "/search", b"no picture" * 1000)
    assert refused.status == 429
    assert f"{2 * size:,} bytes per day" in refused.detail
    assert 0 < int(refused.headers["Retry-After"]) <= 24 * 3600
    assert call(ann, "POST", "/image", image(1)).headers["Retry-After"] == str(12 * 3600)
    assert ask(ann, "GET", "/images/a").status == 200
    assert ask(another_key(ann.collection_id), "PUT", "/images/a", image(1)).status == 200
    clock(12 * 3600)
    assert ask(ann, "POST", "/search", image(1)).status == 200
    too_long = ask(ann, "POST", "/search", b"x" * (2 * size + 1))
    assert too_long.status == 429
    assert "Retry-After" not in too_long.headers
