"""Who may see the mixin's pages, whose templates they extend, and what they say of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from django_visualsnoop.admin import duplicates_page
from django_visualsnoop.collections import collections
from django_visualsnoop.review.search import find_groups
from tests.admin.pages import (
    PRODUCTS,
    LoggedIn,
    copies,
    find,
    groups,
    only_group,
    open_group,
    sweep,
)
from tests.fixtures import picture
from tests.testapp.models import Listing, Product

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django.fixtures import Settings


pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("recorder")
class TestPermissions:
    def test_without_any_for_the_model(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        client = logged_in("view_article")
        assert find(client, one).status_code == 403
        assert client.get(f"{PRODUCTS}duplicates/").status_code == 403
        assert client.get(f"{PRODUCTS}{one.pk}/similar/").status_code == 403

    def test_nobody(self, client: Client) -> None:
        one, _ = copies(1, 1)
        for url in (f"{PRODUCTS}duplicates/", f"{PRODUCTS}{one.pk}/similar/"):
            response = client.get(url)
            assert response.status_code == 302
            assert response["Location"].startswith("/admin/login/")

    @pytest.mark.parametrize("codenames", [["view_product"], ["change_product"]])
    def test_groups_without_choices(self, codenames: list[str], logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        client = logged_in(*codenames)
        for response in (find(client, one), client.get(f"{PRODUCTS}duplicates/")):
            assert groups(response) == [{one.pk, copy.pk}]
            assert "Resolve the sure groups" not in response.text
        data = {"visualsnoop_group": "1", "visualsnoop_confirmed": "1"}
        assert client.post(f"{PRODUCTS}duplicates/resolve/", data).status_code == 403
        assert Product.objects.count() == 2
        assert "Find duplicates</a>" in client.get(PRODUCTS).text

    def test_to_delete_without_to_view(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        assert find(logged_in("delete_product"), one).status_code == 403

    def test_rows_that_the_admin_hides_stay_hidden(self, logged_in: LoggedIn) -> None:
        rows = [Listing.objects.create(photo=picture(1)) for _ in range(3)]
        sweep()
        Listing.objects.filter(pk=rows[2].pk).update(published=False)  # still in the collection
        url = "/admin/testapp/listing/"
        client = logged_in("view_listing", "delete_listing")
        seen = {row.pk for row in rows[:2]}
        assert groups(client.get(f"{url}duplicates/")) == [seen]
        assert groups(find(client, rows[0], url=url)) == [seen]
        similar = client.get(f"{url}{rows[0].pk}/similar/")
        assert [card.row for card in similar.context["cards"]] == [rows[1]]
        assert client.get(f"{url}{rows[2].pk}/similar/").status_code == 302
        _, page = open_group(client, f"{url}duplicates/")
        assert {one.row.pk for one, _ in page.context["members"]} == seen

    def test_a_group_with_one_row_that_may_be_seen(self, logged_in: LoggedIn) -> None:
        rows = [Listing.objects.create(photo=picture(1)) for _ in range(2)]
        sweep()
        Listing.objects.filter(pk=rows[1].pk).update(published=False)
        url = "/admin/testapp/listing/duplicates/"
        client = logged_in("view_listing")
        assert groups(client.get(url)) == []
        assert client.get(f"{url}{only_group().pk}/")["Location"] == url

    def test_the_link_of_duplicates_is_only_read(self, logged_in: LoggedIn) -> None:
        assert logged_in().post(f"{PRODUCTS}duplicates/").status_code == 405


def test_the_real_engine(media: object, logged_in: LoggedIn, settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {}}
    assert type(collections["default"]).__name__ == "LocalCollection"
    one, copy, other = copies(1, 1, 2)
    client = logged_in()
    assert groups(find(client, one, other)) == [{one.pk, copy.pk}]
    assert groups(client.get(f"{PRODUCTS}duplicates/")) == [{one.pk, copy.pk}]
    similar = client.get(f"{PRODUCTS}{one.pk}/similar/")
    assert similar.context["cards"][0].row == copy


@pytest.mark.usefixtures("recorder")
@pytest.mark.django_db(transaction=True)
def test_the_action_searches_outside_of_atomic_requests(
    logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    was_open = []

    def look(*args: Any, **kwargs: Any) -> Any:
        was_open.append(connection.in_atomic_block)
        return find_groups(*args, **kwargs)

    monkeypatch.setattr(duplicates_page, "find_groups", look)
    one, copy, *others = copies(1, 1, 2, 2)
    client = logged_in()
    response = find(client, one)
    assert [status for _, status in response.redirect_chain] == [307, 302]
    assert groups(response) == [{one.pk, copy.pk}]
    assert was_open == [False]
    bad = {"_selected_action": "x"}
    assert client.post(f"{PRODUCTS}duplicates/selected/", bad).status_code == 400
    User.objects.all().delete()
    client = logged_in("view_article")
    data = {"_selected_action": [row.pk for row in others]}
    assert client.post(f"{PRODUCTS}duplicates/selected/", data).status_code == 403
