from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ImageRefusedError,
    NotFoundError,
    ServerError,
    TimedOutError,
    VisualSnoopError,
)
from django_visualsnoop.collections.base import DEFAULT_MAX_BYTES
from django_visualsnoop.collections.http import HTTPCollection
from django_visualsnoop.collections.results import ImageInfo, ImageMatch
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.exceptions import UnsupportedSearch
from django_visualsnoop.testing.contract import CollectionContract
from tests.collections.contract import image
from tests.v1server import PUBLIC_KEY, SECRET_KEY, Fault, V1Server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[V1Server]:
    with V1Server() as server:
        yield server


def params(**changes: Any) -> dict[str, Any]:
    return {
        "NAME": "hosted",
        "ENDPOINT": "https://images.example.com/api/v1",
        "PUBLIC_KEY": PUBLIC_KEY,
        "SECRET_KEY": SECRET_KEY,
        "OPTIONS": {},
        **changes,
    }


@pytest.fixture
def collection(server: V1Server) -> HTTPCollection:
    return HTTPCollection("hosted", params(ENDPOINT=server.endpoint))


class TestHTTPCollection(CollectionContract):
    pass


def test_making_one_calls_nobody(server: V1Server) -> None:
    HTTPCollection("hosted", params(ENDPOINT=server.endpoint))
    assert server.received == []


@pytest.mark.parametrize("key", ["ENDPOINT", "PUBLIC_KEY", "SECRET_KEY"])
@pytest.mark.parametrize("value", [None, "", " ", 5])
def test_a_missing_key_is_named(key: str, value: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf'VISUALSNOOP\["hosted"\]\["{key}"\]'):
        HTTPCollection("hosted", params(**{key: value}))


def test_a_bad_key_is_not_shown() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        HTTPCollection("hosted", params(SECRET_KEY=b"hush"))
    assert "hush" not in str(caught.value)
    assert "must be a non-empty string." in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ENDPOINT": "images.example.com/api/v1"}, "must be a URL"),
        ({"ENDPOINT": "ftp://images.example.com"}, "must be a URL"),
        ({"ENDPOINT": "http://["}, "must be a URL"),
        ({"TIMEOUTS": 3}, "unknown option 'TIMEOUTS'"),
        (
            {"OPTIONS": {"proxy": {}}},
            r"\[\"OPTIONS\"\] has an unknown option 'proxy'. Valid options: max_bytes, max_ret",
        ),
        ({"OPTIONS": {"signing": "v3"}}, 'must be "v1" or "v2", not \'v3\''),
        ({"OPTIONS": {"max_bytes": 0}}, "must be a positive integer, not 0"),
        ({"OPTIONS": {"max_retries": "3"}}, "must be an integer, 0 or more, not '3'"),
        ({"OPTIONS": {"max_retries": -1}}, "must be an integer, 0 or more, not -1"),
        ({"OPTIONS": {"proxies": "http://proxy.example.com:3128"}}, "must be a dict such as"),
        ({"OPTIONS": []}, "must be a dict"),
        ({"TIMEOUT": 0}, "TIMEOUT"),
        ({"TIMEOUT": None}, "TIMEOUT"),
        ({"TIMEOUT": (1, 2, 3)}, "TIMEOUT"),
    ],
)
def test_a_bad_setting_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        HTTPCollection("hosted", params(**changes))


def test_the_longest_call_follows_the_settings() -> None:
    quick = params(TIMEOUT=(2, 10), OPTIONS={"max_retries": 0})
    assert HTTPCollection("hosted", quick).longest_call == 12
    patient = params(TIMEOUT=10, OPTIONS={"max_retries": 1})
    assert HTTPCollection("hosted", patient).longest_call == 2 * 20 + 30


def test_options_reach_the_client(server: V1Server) -> None:
    server.faults.append(Fault.refusal(429, Retry_After="0"))
    collection = HTTPCollection(
        "hosted", params(ENDPOINT=server.endpoint, OPTIONS={"max_retries": 0})
    )
    with pytest.raises(VisualSnoopError) as caught:
        collection.get_images()
    assert caught.value.status == 429


def test_the_time_limit_reaches_the_client(server: V1Server) -> None:
    silence = threading.Event()
    server.faults.append(Fault(silent_until=silence))
    collection = HTTPCollection(
        "hosted", params(ENDPOINT=server.endpoint, TIMEOUT=0.5, OPTIONS={"max_retries": 0})
    )
    with pytest.raises(TimedOutError):
        collection.get_images()
    silence.set()


def test_the_proxy_is_used(server: V1Server) -> None:
    proxies = {"http": server.endpoint.removesuffix("/api/v1")}
    collection = HTTPCollection(
        "hosted", params(ENDPOINT="http://images.invalid/api/v1", OPTIONS={"proxies": proxies})
    )
    server.faults.append(Fault.refusal(404))
    with pytest.raises(NotFoundError):
        collection.get_image("a")
    assert server.received[0].target == "http://images.invalid/api/v1/image/a"


def test_wrong_keys(server: V1Server) -> None:
    collection = HTTPCollection("hosted", params(ENDPOINT=server.endpoint, SECRET_KEY="wrong"))
    with pytest.raises(AuthenticationError) as caught:
        collection.add_image(image(1), "a")
    assert caught.value.status == 401
    assert "wrong" not in repr(collection) + str(caught.value)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "undecodable"), (411, "empty"), (413, "too_large"), (415, "unsupported")],
)
def test_the_reason_of_a_refused_image(
    server: V1Server, collection: HTTPCollection, status: int, reason: str
) -> None:
    server.faults.append(Fault.refusal(status, "Not this one"))
    with pytest.raises(ImageRefusedError, match="Not this one") as caught:
        collection.add_image(image(1), "a")
    assert (caught.value.reason, caught.value.status) == (reason, status)


def test_a_400_without_an_image_refuses_no_image(
    server: V1Server, collection: HTTPCollection
) -> None:
    server.faults.append(Fault.refusal(400, "Bad request"))
    with pytest.raises(VisualSnoopError, match="Bad request") as caught:
        collection.get_image("a")
    assert not isinstance(caught.value, ImageRefusedError)
    assert caught.value.status == 400


def test_an_empty_image_is_not_sent(server: V1Server, collection: HTTPCollection) -> None:
    with pytest.raises(ImageRefusedError):
        collection.search_images(b"")
    assert server.received == []


def test_a_success_that_is_no_answer_of_api_v1(
    server: V1Server, collection: HTTPCollection
) -> None:
    server.faults.extend([Fault(body=b'{"ok": true}')] * 3)
    for call in (
        lambda: collection.add_image(image(1), "a"),
        lambda: collection.search_images(image(1)),
        lambda: collection.get_images(),
    ):
        with pytest.raises(ServerError, match=r'VISUALSNOOP\["hosted"\]\["ENDPOINT"\]'):
            call()


def matches_of(*matches: dict[str, Any]) -> Fault:
    answer = {"results": matches, "collection_id": "5eed1234", "message": "OK", "status": 200}
    return Fault(body=json.dumps(answer).encode())


def test_min_similarity_by_the_similarity_that_matches_carry(
    server: V1Server, collection: HTTPCollection
) -> None:
    near = {"id": "near", "rank": 1, "similarity": 0.9}
    far = {"id": "far", "rank": 7, "similarity": 0.5}
    found = [ImageMatch("near", 1, 0.9), ImageMatch("far", 7, 0.5)]
    server.faults.extend([matches_of(near, far), matches_of(near, far), matches_of(near, far)])
    assert collection.search_images(image(1), SearchOptions(min_similarity=0.9)).matches == [
        found[0]
    ]
    assert collection.search_images_by_id("a", SearchOptions(min_similarity=0.5)).matches == found
    assert collection.search_images_by_id("a").matches == found


@pytest.mark.parametrize("time", [{}, {"image_time": None}, {"image_time": "yesterday"}])
def test_a_service_need_not_tell_the_time(
    server: V1Server, collection: HTTPCollection, time: dict[str, Any]
) -> None:
    answer = {"collection_id": "5eed1234", "image_id": "a", "message": "OK", "status": 200, **time}
    server.faults.append(Fault(body=json.dumps(answer).encode()))
    assert collection.get_image("a") == ImageInfo("5eed1234", "a", None)


def test_min_similarity_without_a_similarity_is_unsupported(
    server: V1Server, collection: HTTPCollection
) -> None:
    server.faults.append(matches_of({"id": "near", "rank": 0}))
    with pytest.raises(UnsupportedSearch, match="min_similarity"):
        collection.search_images(image(1), SearchOptions(min_similarity=0.1))


def test_allowed_comes_before_the_limit(collection: HTTPCollection) -> None:
    for image_id in "abcd":
        collection.add_image(image(1), image_id)
    found = collection.search_images(image(1), SearchOptions(allowed={"c", "d"}, limit=1))
    assert [match.image_id for match in found.matches] == ["c"]
    found = collection.search_images_by_id("c", SearchOptions(allowed={"c", "d"}, limit=5))
    assert [match.image_id for match in found.matches] == ["d"]


def test_larger_files_than_the_option_says_are_not_sent() -> None:
    keys = {"ENDPOINT": "https://images.example.com/api/v1", "PUBLIC_KEY": "p", "SECRET_KEY": "s"}
    assert HTTPCollection("hosted", keys).max_bytes == DEFAULT_MAX_BYTES
    assert HTTPCollection("hosted", {**keys, "OPTIONS": {"max_bytes": 7}}).max_bytes == 7
    for wrong in (0, -1, True, "7", 7.5):
        with pytest.raises(ImproperlyConfigured, match="must be a positive integer"):
            HTTPCollection("hosted", {**keys, "OPTIONS": {"max_bytes": wrong}})
