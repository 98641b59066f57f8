"""What API v1 answers."""

from __future__ import annotations

import json

from django_visualsnoop.engine.hits import Hit, Hits
from django_visualsnoop.engine.storage.values import ImagePage, StoredImage
from django_visualsnoop.server.api_v1.responses import (
    build_image,
    build_listing,
    build_results,
    make_response,
)

STORED = StoredImage("gallery", "a", 1_422_218_585_690_218, existed=True)
TIME = "2015-01-25T20:43:05.690218+00:00"


def test_the_status_is_that_of_the_body_and_no_cache_keeps_it() -> None:
    body = {"status": 429, "message": "Later"}
    response = make_response(body, {"Retry-After": "2"})
    assert (response.status_code, json.loads(response.content)) == (429, body)
    assert (response["Retry-After"], response["Cache-Control"]) == ("2", "no-store")
    assert make_response(body)["Content-Type"] == "application/json"


def test_an_image_is_of_the_hosted_collection_whatever_the_engine_calls_it() -> None:
    assert build_image("0123abcd", STORED, "Created", 201) == {
        "collection_id": "0123abcd",
        "image_id": "a",
        "image_time": TIME,
        "message": "Created",
        "status": 201,
    }


def test_results_and_listings() -> None:
    found = build_results("0123abcd", Hits("gallery", [Hit("a", 3, 0.75)]))
    assert found["collection_id"] == "0123abcd"
    assert found["results"] == [{"id": "a", "rank": 3, "similarity": 0.75}]
    page = build_listing("0123abcd", ImagePage("gallery", [STORED], "b"))
    assert page["collection_id"] == "0123abcd"
    assert page["images"] == [{"id": "a", "image_time": TIME}]
    assert page["next_image_id"] == "b"
