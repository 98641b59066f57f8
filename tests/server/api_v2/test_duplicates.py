"""Groups and pairs marked as not duplicates, as API v2 tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.v2 import ask, put

if TYPE_CHECKING:
    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(ann: Tenant) -> Tenant:
    """Two groups, of scene 1 and of scene 2."""
    for name, seed in (("a", 1), ("b", 1), ("x", 2), ("y", 2)):
        put(ann, name, seed)
    return ann


def test_a_member_is_told_with_how_close_it_is(filled: Tenant) -> None:
    body = ask(filled, "GET", "/groups", limit=1).body
    (group,) = body["groups"]
    assert [member["id"] for member in group["members"]] == ["a", "b"]
    assert all(member["rank"] == 0 for member in group["members"])
    assert all(0.99 < member["similarity"] <= 1 for member in group["members"])
    assert body["complete"] is True


@pytest.mark.parametrize(
    ("query", "first"), [({"limit": 1, "offset": 1}, "x"), ({"offset": 2}, None)]
)
def test_pages_of_groups(filled: Tenant, query: dict[str, Any], first: str | None) -> None:
    groups = ask(filled, "GET", "/groups", **query).body["groups"]
    assert [group["members"][0]["id"] for group in groups] == ([first] if first else [])


def test_a_pair_is_marked_once_whatever_the_order_of_its_ids(filled: Tenant) -> None:
    pair = {"first_id": "a", "second_id": "b"}
    marked = ask(filled, "PUT", "/not-duplicates", data={"first_id": "b", "second_id": "a"})
    assert (marked.status, marked.body) == (201, pair)
    again = ask(filled, "PUT", "/not-duplicates", data=pair)
    assert (again.status, again.body) == (200, pair)
    assert ask(filled, "GET", "/not-duplicates").body == {"pairs": [pair]}


def test_only_a_mark_that_there_is_can_be_removed(filled: Tenant) -> None:
    pair: dict[str, Any] = {"first_id": "a", "second_id": "b"}
    reply = ask(filled, "DELETE", "/not-duplicates", **pair)
    assert reply.status == 404
    assert "'a' and 'b' are not marked" in reply.detail
    ask(filled, "PUT", "/not-duplicates", data=pair)
    removed = ask(filled, "DELETE", "/not-duplicates", first_id="b", second_id="a")
    assert (removed.status, removed.content) == (204, b"")


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("a", "a", 400), ("a", "gone", 404), ("..", "a", 400), ("", "a", 400)],
)
def test_pairs_that_cannot_be(filled: Tenant, first: str, second: str, status: int) -> None:
    pair = {"first_id": first, "second_id": second}
    assert ask(filled, "PUT", "/not-duplicates", data=pair).status == status
    assert ask(filled, "GET", "/not-duplicates").body == {"pairs": []}
