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


@pytest.mark.parametrize("value", ["x", LONG, "\0", "-1"])
def test_hostile_groups_to_resolve(client_of_staff: Client, value: str) -> None:
    url = f"{PRODUCTS}duplicates/"
    client_of_staff.get(url)
    data = {"visualsnoop_group": value, "visualsnoop_confirmed": "1", "visualsnoop_keep_1": value}
    assert client_of_staff.post(f"{url}resolve/", data).status_code in (302, 400)


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
    for name in ("visualsnoop_tab", "visualsnoop_selection"):
        response = client_of_staff.get(f"{PRODUCTS}duplicates/", {name: [page, page]})
        assert response.status_code in (200, 302)


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
