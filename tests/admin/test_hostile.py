"""What no page of ours sends is refused, and never an error of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures import product
from tests.testapp.models import Document

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from django_visualsnoop.collections.recorder import RecorderCollection

    LoggedIn = Callable[..., Client]

pytestmark = pytest.mark.django_db

PRODUCTS = "/admin/testapp/product/"
ARTICLES = "/admin/testapp/article/"
DOCUMENTS = "/admin/testapp/document/"
RECORDS = "/admin/visualsnoop/syncrecord/"
FIND = "visualsnoop_find_duplicates"
LONG = "9" * 30


@pytest.fixture
def client_of_staff(recorder: RecorderCollection, logged_in: LoggedIn) -> Client:
    product(1)
    Document.objects.create(code="a", scan="a.png")
    return logged_in()


@pytest.mark.parametrize("url", [PRODUCTS, DOCUMENTS, ARTICLES])
@pytest.mark.parametrize(
    "members", ["x", "[" * 100_000, f'["{LONG}"]', '["\\ud800"]', str(list(range(1000)))]
)
def test_hostile_members(client_of_staff: Client, url: str, members: str) -> None:
    data = {"action": FIND, "select_across": "1", "_selected_action": [], "index": "0"}
    data["visualsnoop_delete"] = "x"
    data["visualsnoop_members_1"] = members
    data["visualsnoop_keep_1"] = LONG
    key = {PRODUCTS: "1", DOCUMENTS: "a", ARTICLES: "6f0a9bd2-6d0c-4e5c-8c1e-1c8f6a1d7f43"}[url]
    response = client_of_staff.post(url, {**data, "_selected_action": key})
    no_key = members != f'["{LONG}"]' or url != DOCUMENTS  # there it is a key that no row has
    assert response.status_code == (400 if no_key else 302)


def test_members_that_hold_nul(client_of_staff: Client) -> None:
    data: dict[str, Any] = {"action": FIND, "_selected_action": "a", "visualsnoop_delete": "x"}
    data |= {"visualsnoop_members_1": '["a\\u0000"]', "visualsnoop_keep_1": "a\0"}
    assert client_of_staff.post(DOCUMENTS, data).status_code in (302, 400)


@pytest.mark.parametrize(
    ("url", "action", "selected"),
    [
        (PRODUCTS, FIND, LONG),
        (PRODUCTS, FIND, "x"),
        (PRODUCTS, "delete_selected", LONG),
        (ARTICLES, FIND, "x"),
        (RECORDS, "try_again", "x"),
        (RECORDS, "try_again", LONG),
    ],
)
def test_hostile_selections(client_of_staff: Client, url: str, action: str, selected: str) -> None:
    data = {"action": action, "_selected_action": ["1", selected]}
    assert client_of_staff.post(url, data).status_code == 400


@pytest.mark.parametrize("page", ["", "x", "0", "-1", LONG, "9" * 6000, "\0", "1.5"])
def test_hostile_pages(client_of_staff: Client, page: str) -> None:
    response = client_of_staff.get(f"{PRODUCTS}duplicates/", {"visualsnoop_page": [page, page]})
    assert response.status_code == 200
    data = {"action": FIND, "_selected_action": "1", "visualsnoop_page": page}
    assert client_of_staff.post(PRODUCTS, data).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"nothing": "1"},
        {"active__exact": "x"},
        {"id": LONG},
        {"id__in": LONG},
        {"id__in": "x"},
        {"name": "\0"},
        {"q": "\0"},
        {"p": LONG},
        {"o": "9.9.9"},
        {"active__exact": ["1", "0"]},
        {"all": "x", "_to_field": "nothing"},
    ],
    ids=str,
)
def test_hostile_filters(client_of_staff: Client, query: dict[str, Any]) -> None:
    response = client_of_staff.get(f"{PRODUCTS}duplicates/", query)
    assert response.status_code in (200, 302, 400)


@pytest.mark.parametrize("key", ["x", LONG, "_00", "%00", "a/b", "_ZZ", "1/similar"])
@pytest.mark.parametrize("url", [PRODUCTS, ARTICLES, DOCUMENTS])
def test_hostile_keys_of_similar_rows(client_of_staff: Client, url: str, key: str) -> None:
    response = client_of_staff.get(f"{url}{key}/similar/")
    assert response.status_code in (302, 404)


@pytest.mark.parametrize(
    "query", [{"state": "x"}, {"state": ["failed", "x"]}, {"q": "\0"}, {"collection": LONG}]
)
def test_hostile_filters_of_records(client_of_staff: Client, query: dict[str, Any]) -> None:
    assert client_of_staff.get(RECORDS, query).status_code in (200, 302)
