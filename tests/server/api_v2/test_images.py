"""Images of API v2, and their pages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from django.db import connections

from django_visualsnoop.client.models import SAFE_IN_PATH
from django_visualsnoop.server.models import Metadata, MetadataValue
from tests.collections.contract import IMPOSSIBLE_IDS, ODD_IDS, image
from tests.server.hosting import Tenant, another_key
from tests.server.v2 import ask, put

pytestmark = pytest.mark.django_db


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
