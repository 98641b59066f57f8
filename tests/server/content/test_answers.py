from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.common.search_options import COPIES, SearchOptions
from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.hits import Hit, Hits
from django_visualsnoop.engine.outside.indexes import OutsideIndexes
from django_visualsnoop.engine.replica import held
from django_visualsnoop.server.content import answers
from django_visualsnoop.server.content.answers import KeptAnswers
from django_visualsnoop.server.content.images import HostedImages
from tests.collections.contract import image
from tests.server.hosting import Tenant, call, tenant

if TYPE_CHECKING:
    from typing import Any

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db(transaction=True)

PLACE = ("default", "0000000a")


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str | bytes]:
    """What the engine is asked for; nothing is kept from before."""
    asked: list[str | bytes] = []
    for name in ("search", "search_by_id"):
        search = getattr(Gallery, name)

        def note(gallery: Gallery, query: Any, options: Any, search: Any = search) -> Hits:
            asked.append(query)
            found: Hits = search(gallery, query, options)
            return found

        monkeypatch.setattr(Gallery, name, note)
    monkeypatch.setattr(answers, "_kept", KeptAnswers())
    return asked


def ids(whose: Tenant, image_id: str = "a") -> set[str]:
    return {one["id"] for one in call(whose, "GET", f"/search/{image_id}").body["results"]}


def ids_like(whose: Tenant, content: bytes) -> set[str]:
    return {one["id"] for one in call(whose, "POST", "/search", content).body["results"]}


def test_an_answer_is_given_again_with_one_query(ann: Tenant, searches: list[str | bytes]) -> None:
    for image_id in ("a", "b"):
        call(ann, "PUT", f"/image/{image_id}", image(1))
    # The first search loads the images.
    replies = [call(ann, "GET", "/search/a").body for _ in range(2)]
    with CaptureQueriesContext(connection) as queries:
        replies.append(call(ann, "GET", "/search/a").body)
    assert searches == ["a", "a"]
    assert len(queries) == 2  # the key, and the state of the collection
    assert replies[0] == replies[1] == replies[2]
    assert [one["id"] for one in replies[0]["results"]] == ["b"]
    assert [ids_like(ann, image(1)) for _ in range(2)] == [{"a", "b"}] * 2
    assert searches == ["a", "a", image(1)]


def test_each_change_is_seen_at_once(ann: Tenant, searches: list[str | bytes]) -> None:
    call(ann, "PUT", "/image/a", image(1))
    there: set[str] = set()
    for number in range(4):
        call(ann, "PUT", f"/image/{number}", image(1))
        there.add(str(number))
        for _ in range(2):
            assert ids(ann) == there
            assert ids_like(ann, image(1)) == {"a", *there}
    call(ann, "PUT", "/image/0", image(2))
    assert ids(ann) == there - {"0"}
    call(ann, "DELETE", "/image/1")
    assert ids(ann) == there - {"0", "1"}
    call(ann, "DELETE", "/image/a")
    assert call(ann, "GET", "/search/a").status == 404
    assert searches.count("a") < 12  # some answers were given again


def test_changes_while_others_search(ann: Tenant) -> None:
    call(ann, "PUT", "/image/a", image(1))

    def add_and_search(thread: int) -> None:
        try:
            for number in range(5):
                call(ann, "PUT", f"/image/{thread}-{number}", image(1))
                assert f"{thread}-{number}" in ids(ann)
                call(ann, "DELETE", f"/image/{thread}-{number}")
                assert f"{thread}-{number}" not in ids(ann)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add_and_search, range(4)))
    assert ids(ann) == set()


def test_nobody_gets_the_answer_of_another(searches: list[str | bytes]) -> None:
    ann, bob = tenant(), tenant("Other", "bob@example.com")
    call(ann, "PUT", "/image/a", image(1))
    call(ann, "PUT", "/image/secret", image(1))
    call(bob, "PUT", "/image/a", image(1))
    for _ in range(3):
        assert ids(ann) == {"secret"}
        assert ids(bob) == set()
        assert ids_like(ann, image(1)) == {"a", "secret"}
        assert ids_like(bob, image(1)) == {"a"}
    assert len(searches) < 12


def test_who_may_not_search_gets_no_answer(ann: Tenant) -> None:
    call(ann, "PUT", "/image/a", image(1))
    assert [call(ann, "GET", "/search/a").status for _ in range(2)] == [200, 200]
    ann.change_key(may_search=False)
    assert call(ann, "GET", "/search/a").status == 403


def test_another_threshold_is_another_question(ann: Tenant) -> None:
    call(ann, "PUT", "/image/a", image(1))
    call(ann, "PUT", "/image/b", image(1))
    assert [ids(ann) for _ in range(2)] == [{"b"}] * 2
    ann.limit(min_similarity=1.0)
    assert ids(ann) == set()


def test_nothing_is_kept_of_a_transaction(ann: Tenant, searches: list[str | bytes]) -> None:
    images = HostedImages(ann.collection)
    for image_id in ("a", "b"):
        images.put(images.describe(image(1), image_id))
    options = SearchOptions(limit=10)
    for _ in range(2):
        images.search_by_id("a", options)
    with transaction.atomic():
        images.delete("b")
        assert images.search_by_id("a", options).hits == []
        transaction.set_rollback(True)
    assert [hit.image_id for hit in images.search_by_id("a", options).hits] == ["b"]
    assert searches == ["a"] * 3


def test_nothing_is_kept_before_all_images_are_loaded(
    ann: Tenant, searches: list[str | bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    call(ann, "PUT", "/image/a", image(1))
    ids(ann)
    (replica,) = [one for place, one in held._replicas.items() if place[2] == ""][-1:]
    monkeypatch.setattr(replica, "early", True)
    monkeypatch.setattr(replica, "catch_up", lambda *_: None)
    assert [ids(ann) for _ in range(2)] == [set(), set()]
    assert searches == ["a"] * 3


def test_keeping_can_be_switched_off(
    ann: Tenant, searches: list[str | bytes], settings: Settings
) -> None:
    settings.VISUALSNOOP_SERVER = {"ANSWER_MEMORY": 0}
    call(ann, "PUT", "/image/a", image(1))
    for _ in range(3):
        ids(ann)
    assert searches == ["a"] * 3


def test_a_filter_is_always_searched(ann: Tenant, searches: list[str | bytes]) -> None:
    images = HostedImages(ann.collection)
    images.put(images.describe(image(1), "a"))
    for _ in range(3):
        images.search_by_id("a", SearchOptions(allowed={"a"}, kind=COPIES))
    assert searches == ["a"] * 3


def test_nothing_is_kept_of_an_index_outside(ann: Tenant, searches: list[str | bytes]) -> None:
    """It may lose entries, and get them back, without a change."""
    images = HostedImages(ann.collection)
    images.put(images.describe(image(1), "a"))
    images.search_by_id("a", SearchOptions())  # loads the images: no index is complete
    name = ann.collection.gallery_name
    outside = OutsideIndexes("default", name, "pgvector")
    vars(images)["gallery"] = Gallery("default", name, outside=outside)
    for _ in range(3):
        images.search_by_id("a", SearchOptions())
    assert searches == ["a"] * 4


def test_memory_is_bounded() -> None:
    kept, most = KeptAnswers(), 2_000_000
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(3000):
        hits = [Hit(f"{number}-{place}-é" * 5, place, place / 7, "copy", 0.1) for place in range(9)]
        place = PLACE if number % 3 else ("default", f"{number:08x}")
        kept.keep(place, 1, f"image {number}" * 5, Hits(place[1], hits, number), most)
        assert kept.size <= most
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before <= most


def test_the_oldest_go_first() -> None:
    kept, found = KeptAnswers(), Hits("x", [])
    for number in range(3):
        kept.keep(PLACE, 1, number, found, 6000)
    assert kept.find(PLACE, 1, 0) == found
    kept.keep(PLACE, 1, 3, found, 6000)
    assert [kept.find(PLACE, 1, number) for number in range(4)] == [found, None, found, found]


def test_an_answer_to_an_earlier_state_is_not_kept() -> None:
    kept, found = KeptAnswers(), Hits("x", [])
    kept.keep(PLACE, 2, "a", found, 6000)
    kept.keep(PLACE, 1, "b", found, 6000)
    assert kept.find(PLACE, 2, "b") is None
    assert kept.find(PLACE, 3, "a") is None
    assert kept.size == 0
