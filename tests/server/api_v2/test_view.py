"""Images, metadata and searches of API v2."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.db import connections
from django.urls import reverse
from PIL import Image, ImageOps

from django_visualsnoop.client.models import SAFE_IN_PATH
from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.server.content import metadata
from django_visualsnoop.server.models import Metadata, MetadataValue
from tests.collections.contract import IMPOSSIBLE_IDS, ODD_IDS, image
from tests.server.hosting import Tenant, another_key, call, signed, tenant
from tests.server.v2 import API2, ask, base64, put

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def mirrored(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        out = io.BytesIO()
        ImageOps.mirror(picture.convert("RGB")).save(out, "PNG")
    return out.getvalue()


def test_an_image_comes_and_goes(ann: Tenant) -> None:
    added = ask(ann, "PUT", "/images/a%2Fb", image(1), metadata='{"sku": 5, "new": true}')
    assert added.status == 201
    assert added.body["metadata"] == {"sku": 5, "new": True}
    assert added.body["id"] == "a/b"
    assert ask(ann, "GET", "/images/a/b").body == added.body
    # Replaced without metadata, it keeps what it has; with some, it has these.
    replaced = ask(ann, "PUT", "/images/a/b", image(2))
    assert replaced.status == 200
    assert replaced.body["metadata"] == added.body["metadata"]
    assert replaced.body["sha256"] != added.body["sha256"]
    assert ask(ann, "PUT", "/images/a/b", image(2), metadata="{}").body["metadata"] == {}
    assert ask(ann, "PUT", "/metadata/a/b", data={"x": None}).body["metadata"] == {"x": None}
    gone = ask(ann, "DELETE", "/images/a/b")
    assert (gone.status, gone.content) == (204, b"")
    for method, path in (("GET", "/images"), ("DELETE", "/images"), ("GET", "/search")):
        assert ask(ann, method, f"{path}/a/b").status == 404
    assert ask(ann, "PUT", "/metadata/a/b", data={}).status == 404
    assert not Metadata.objects.exists()
    assert not MetadataValue.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once(ann: Tenant) -> None:
    def write(number: int) -> int:
        try:
            if number % 4 == 3:
                return ask(ann, "DELETE", "/images/a").status
            name = "a" if number % 2 else f"other-{number}"
            return ask(
                ann, "PUT", f"/images/{name}", image(1), metadata=f'{{"n": {number}}}'
            ).status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        statuses = set(threads.map(write, range(12)))
    assert statuses <= {200, 201, 204, 404}
    put(ann, "a", 1, n=99)
    assert ask(ann, "GET", "/count", filter='{"n": 99}').body == {"count": 1}
    for number in range(0, 12, 2):
        assert ask(ann, "GET", "/count", filter=f'{{"n": {number}}}').body == {"count": 1}
    assert Metadata.objects.count() == 7


def test_a_chosen_id(ann: Tenant) -> None:
    added = ask(ann, "POST", "/images", image(1), metadata='{"a": 1}')
    assert added.status == 201
    assert ask(ann, "GET", f"/images/{added.body['id']}").body == added.body


def test_metadata_goes_with_the_image_whoever_deletes_it(ann: Tenant) -> None:
    put(ann, "a", 1, sku=5)
    call(ann, "PUT", "/image/a", image(2))
    assert ask(ann, "GET", "/images/a").body["metadata"] == {"sku": 5}
    call(ann, "DELETE", "/image/a")
    call(ann, "POST", "/image/a", image(1))
    assert ask(ann, "GET", "/images/a").body["metadata"] == {}


def test_metadata_is_written_with_the_image_or_not_at_all(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(metadata, "_dump", fails)
        assert ask(ann, "PUT", "/images/a", image(1), metadata='{"a": 1}').status == 500
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "write_metadata", fails)
        assert ask(ann, "PUT", "/images/a", image(1), metadata='{"a": 1}').status == 500
        assert ask(ann, "POST", "/images", image(1), metadata='{"a": 1}').status == 500
    assert ask(ann, "GET", "/count").body == {"count": 0}
    put(ann, "a", 1, x=1)
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "remove_metadata", fails)
        assert ask(ann, "DELETE", "/images/a").status == 500
    assert ask(ann, "GET", "/images/a").body["metadata"] == {"x": 1}


@pytest.mark.parametrize("image_id", ODD_IDS)
def test_ids(ann: Tenant, image_id: str) -> None:
    path = quote(image_id, safe=SAFE_IN_PATH)
    assert ask(ann, "PUT", f"/images/{path}", image(1)).body["id"] == image_id
    assert ask(ann, "GET", f"/search/{path}").body == {"matches": []}
    assert ask(ann, "DELETE", f"/images/{path}").status == 204


def test_ids_that_cannot_be(ann: Tenant) -> None:
    for image_id in IMPOSSIBLE_IDS:
        if image_id in ("", "\ud800"):  # no path says these
            continue
        path = quote(image_id, safe=SAFE_IN_PATH)
        assert ask(ann, "PUT", f"/images/{path}", image(1)).status == 400, image_id
    assert ask(ann, "PUT", "/images/", image(1)).status == 404
    put(ann, "a", 1)
    reply = ask(ann, "DELETE", "/images/a?b")
    assert reply.status == 400
    assert "%3F" in reply.detail
    assert ask(ann, "GET", "/images/a").status == 200


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "not JSON"),
        ("[1]", "JSON object"),
        ('{"a": [1]}', "'a' must be a string"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": 1e999}', "inf"),
        ('{"a": 9007199254740992}', "2^53"),
        ('{"": 1}', "is not a valid name"),
        (json.dumps({"x" * 51: 1}), "1 to 50"),
        (json.dumps({str(n): n for n in range(21)}), "21 names"),
        (json.dumps({"a": "é" * 400}), "2,408 bytes"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_metadata_that_is_refused(ann: Tenant, given: str, words: str) -> None:
    reply = ask(ann, "PUT", "/images/a", image(1), metadata=given)
    assert reply.status == 400
    assert words in reply.detail
    assert ask(ann, "GET", "/count").body == {"count": 0}


def test_odd_values_come_back_as_they_went(ann: Tenant) -> None:
    odd = {
        "nul": "\0",
        "half": "\ud800",
        "é": "日本語",
        "float": 0.1,
        "zero": -0.0,
        "big": 2**53 - 1,
    }
    told = ask(ann, "PUT", "/images/a", image(1), metadata=json.dumps(odd))
    assert told.body["metadata"] == odd
    for name, value in odd.items():
        found = ask(ann, "GET", "/count", filter=json.dumps({name: value}))
        assert found.body == {"count": 1}, name


def test_filters(ann: Tenant) -> None:
    put(ann, "a", 1, colour="red", sku=1)
    put(ann, "b", 1, colour="blue", sku=1.0)
    put(ann, "c", 1, colour="red", sku=True)
    put(ann, "d", 1)
    bob = tenant("Bob's", "bob@example.com")
    put(bob, "e", 1, colour="red")
    for wanted, ids in (
        ({"colour": "red"}, "ac"),
        ({"colour": ["red", "blue", "green"]}, "abc"),
        ({"sku": 1}, "ab"),
        ({"sku": 1, "colour": "red"}, "a"),
        ({"sku": "1"}, ""),
        ({"colour": None}, ""),
    ):
        text = json.dumps(wanted)
        found = ask(ann, "POST", "/search", image(1), filter=text).body["matches"]
        assert sorted(match["id"] for match in found) == list(ids)
        assert ask(ann, "GET", "/count", filter=text).body == {"count": len(ids)}
    matches = ask(ann, "GET", "/search/a", filter='{"colour": "red"}').body["matches"]
    assert [(match["id"], match["metadata"]["sku"]) for match in matches] == [("c", True)]
    assert ask(ann, "GET", "/count").body == {"count": 4}
    for text in ("{}", "[]", '{"a": []}', '{"a": {"b": 1}}', "x"):
        assert ask(ann, "GET", "/count", filter=text).status == 400


def test_a_value_that_is_left_over_finds_nothing(ann: Tenant) -> None:
    put(ann, "a", 1, n=1)
    value = MetadataValue.objects.get()
    put(ann, "a", 1, n=2)
    value.save(force_insert=True)
    assert ask(ann, "GET", "/count", filter='{"n": 1}').body == {"count": 0}
    assert ask(ann, "GET", "/count", filter='{"n": 2}').body == {"count": 1}
    put(ann, "a", 1, n=3)
    assert MetadataValue.objects.count() == 1


def test_limit_and_threshold(ann: Tenant) -> None:
    for name in "abc":
        put(ann, name, 1)
    matches = ask(ann, "POST", "/search", image(1), limit=2).body["matches"]
    assert [match["id"] for match in matches] == ["a", "b"]
    assert all(match["why"] is None for match in matches)
    assert ask(ann, "POST", "/search", image(1), min_similarity=1).body == {"matches": []}
    ann.limit(min_similarity=1)
    assert ask(ann, "POST", "/search", image(1)).body == {"matches": []}
    assert len(ask(ann, "GET", "/search/a", min_similarity=0.5).body["matches"]) == 2
    for query in ("limit=0", "limit=1001", "limit=x", "min_similarity=2", "min_similarity=nan"):
        reply = ask(ann, "POST", f"/search?{query}", image(1))
        assert reply.status == 400
        name, value = query.split("=")
        assert f"query.{name} is {value!r}" in reply.detail


def test_why(ann: Tenant) -> None:
    put(ann, "a", 1)
    put(ann, "b", 1)
    for found in (
        ask(ann, "POST", "/search", mirrored(image(1)), why="true", limit=1),
        ask(
            ann,
            "POST",
            "/compare",
            data={"first": {"content": base64(mirrored(image(1)))}, "second": {"id": "a"}},
        ),
    ):
        assert found.status == 200
        told = found.body["matches"][0] if "matches" in found.body else found.body
        assert told["why"]["mirrored"] is True
        assert told["why"]["scale"] == pytest.approx(1, abs=0.05)
        assert told["why"]["part_of_first"].keys() == {"left", "top", "right", "bottom"}
    (match,) = ask(ann, "GET", "/search/a", why="true").body["matches"]
    assert match["why"]["mirrored"] is False


def test_comparing(ann: Tenant) -> None:
    put(ann, "a", 1)
    put(ann, "b", 2)
    one, other = {"content": base64(image(1))}, {"content": base64(image(2))}
    same = ask(ann, "POST", "/compare", data={"first": one, "second": {"id": "a"}}).body
    assert (same["rank"], same["is_copy"]) == (0, True)
    different = ask(ann, "POST", "/compare", data={"first": one, "second": other}).body
    assert different["is_copy"] is False
    assert different["similarity"] < 0.5
    for wrong, status in (
        ({"id": "c"}, 404),
        ({"id": ".."}, 400),
        ({"content": "?"}, 400),
        ({"content": base64(b"no picture")}, 415),
        ({"id": "a", "content": "x"}, 400),
        ({}, 400),
    ):
        assert ask(ann, "POST", "/compare", data={"first": one, "second": wrong}).status == status


def test_pages_of_images(ann: Tenant) -> None:
    for name in "abc":
        put(ann, name, 1)
    page = ask(ann, "GET", "/images", limit=2).body
    assert [one["id"] for one in page["images"]] == ["c", "b"]
    page = ask(ann, "GET", "/images", start=page["next"]).body
    assert [one["id"] for one in page["images"]] == ["a"]
    assert page["next"] is None
    assert ask(ann, "GET", "/images", start="nobody").status == 404


def test_the_collection(ann: Tenant) -> None:
    put(ann, "a", 1)
    ann.limit(max_images=5, min_similarity=0.75)
    told = ask(another_key(ann.collection_id, scopes=["search"]), "GET", "/collection").body
    assert told["count"] == 1
    assert told["min_similarity"] == 0.75
    assert told["limits"] == {"images": 5, "requests_per_minute": None, "bytes_per_day": None}


def test_whose_request_it_is(ann: Tenant) -> None:
    assert ask(ann, "GET", "/collection").status == 200
    replies = [
        ask(Tenant("", public, secret), "GET", "/collection")
        for public, secret in (
            (ann.public_key, "guessed"),
            ("0" * 20, ann.secret),
            ("", ""),
            (ann.public_key, ""),
            (ann.public_key, f"{ann.secret}x"),
            (ann.public_key, f"{ann.secret} "[::-1]),
        )
    ]
    assert {reply.status for reply in replies} == {401}
    assert len({reply.content for reply in replies}) == 1
    assert replies[0].headers["WWW-Authenticate"] == "Bearer"
    # What covers neither query nor body is not enough here.
    old = signed(ann, "GET", f"{API2}/collection")
    for headers in ({}, old, {"Authorization": "Basic YTpi"}):
        reply = ask(None, "GET", "/collection", headers=headers)
        assert reply.status == 401
        assert "Bearer PUBLIC_KEY.SECRET_KEY" in reply.detail
    assert call(None, "GET", "/collection", headers=dict(bearer_of(ann))).status == 401


def bearer_of(whose: Tenant) -> dict[str, str]:
    return {"Authorization": f"bearer  {whose.public_key}.{whose.secret}"}


def test_a_bearers_key_is_revoked_at_once(ann: Tenant, settings: Settings) -> None:
    assert ask(None, "GET", "/collection", headers=bearer_of(ann)).status == 200
    for scope, path in (("read", "/images"), ("search", "/search/a")):
        other = another_key(ann.collection_id, scopes=["write"])
        assert ask(other, "GET", path).status == 403
        assert scope in ask(other, "GET", path).detail
        other.change_key(revoked_at="2020-01-01T00:00:00Z")
        assert "revoked" in ask(other, "GET", path).detail
    settings.SECRET_KEY = "another one"
    assert ask(ann, "GET", "/collection").status == 500


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


def test_a_page_for_people() -> None:
    page = ask(None, "GET", "/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    text = page.content.decode()
    for words in (f"<code>PUT {API2}/images/{{image_id}}</code>", "scope: search", "metadata"):
        assert words in text
    assert "<script" not in text
