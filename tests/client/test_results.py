"""The bodies of API v1: each has the keys that its class promises."""

from __future__ import annotations

from django_visualsnoop.client.results import (
    ImageList,
    ImageResult,
    Match,
    SearchResults,
    image_list,
    image_result,
    search_results,
)


def test_an_answer_about_one_image() -> None:
    found = image_result("0123abcd", "a", "2015-01-25T20:43:05.690218+00:00", "Created", 201)
    assert found.keys() == ImageResult.__required_keys__
    assert (found["image_id"], found["message"], found["status"]) == ("a", "Created", 201)


def test_a_page_of_images() -> None:
    found = image_list("0123abcd", iter([("a", "then"), ("b", "now")]), "c")
    assert found.keys() == ImageList.__required_keys__
    assert found["images"] == [{"id": "a", "image_time": "then"}, {"id": "b", "image_time": "now"}]
    assert (found["next_image_id"], found["status"]) == ("c", 200)
    assert image_list("0123abcd", [], None)["next_image_id"] is None


def test_results_of_a_search() -> None:
    matches: list[Match] = [
        {"id": "a", "rank": 0, "similarity": 1.0, "relation": "copy", "difference": 0.0},
        {"id": "b", "rank": 7, "similarity": 0.5},
    ]
    found = search_results("0123abcd", iter(matches))
    by_id = {"image_id", "image_time"}  # only in the answer to a search by id
    assert found.keys() == SearchResults.__annotations__.keys() - by_id
    assert found["results"] == matches
