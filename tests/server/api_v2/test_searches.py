"""Searches and comparisons of API v2."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageOps

from tests.collections.contract import image
from tests.server.v2 import ask, base64, put

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db


def mirrored(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        out = io.BytesIO()
        ImageOps.mirror(picture.convert("RGB")).save(out, "PNG")
    return out.getvalue()


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


@pytest.mark.shared_photos
def test_copies_and_similar_images(ann: Tenant, shared: Path, settings: Settings) -> None:
    sharks = sorted((shared / "photos").glob("*shark*"))[:2]
    for name, path in zip(("shark", "another"), sharks, strict=True):
        ask(ann, "PUT", f"/images/{name}", path.read_bytes())
    bird = next((shared / "photos").glob("*brambling*")).read_bytes()
    ask(ann, "PUT", "/images/bird", bird)
    smaller = shrunk(sharks[0].read_bytes())
    found: Any = {
        kind: [
            (match["id"], match["relation"])
            for match in ask(ann, "POST", "/search", smaller, **query).body["matches"]
        ]
        for kind, query in {"default": {}, "similar": {"kind": "similar"}}.items()
    }
    assert found["default"] == [("shark", "copy")]
    assert found["similar"] == [("shark", "copy"), ("another", "similar")]
    by_id = ask(ann, "GET", "/search/shark", kind="similar").body["matches"]
    assert [match["id"] for match in by_id] == ["another"]
    assert by_id[0]["similarity"] >= 0.5
    assert ask(ann, "GET", "/search/bird", kind="similar").body == {"matches": []}
    every = ask(ann, "GET", "/search/bird", kind="similar", min_similarity=0).body["matches"]
    assert {match["id"] for match in every} == {"shark", "another"}
    settings.VISUALSNOOP_SERVER = {"EMBEDDING": False}
    assert ask(ann, "GET", "/search/shark", kind="similar").body == {"matches": []}


def test_relations_are_those_of_copies(ann: Tenant) -> None:
    put(ann, "a", 1)
    refused = ask(ann, "GET", "/search/a", kind="similar", relation="copy")
    assert (refused.status, refused.detail) == (400, "relation requires kind=copies.")
    assert ask(ann, "GET", "/search/a", kind="alike").status == 400


def shrunk(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        out = io.BytesIO()
        picture.reduce(2).save(out, "JPEG")
    return out.getvalue()


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
