"""Who may see the mixin's pages, whose templates they extend, and what they say of errors."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from django.contrib import admin

from django_visualsnoop.client.exceptions import AuthenticationError, TransportError
from django_visualsnoop.collections import collections
from django_visualsnoop.outbox.pausing import sync_paused
from tests.admin.pages import (
    PRODUCTS,
    LoggedIn,
    copies,
    find,
    groups,
    messages_of,
    sweep,
)
from tests.fixtures import picture, product
from tests.testapp.models import Listing, Product

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

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
            assert "You do not have permission to delete them." in response.text
            assert 'type="radio"' not in response.text
            assert "visualsnoop_delete" not in response.text
        assert "Find duplicates</a>" in client.get(PRODUCTS).text

    def test_a_forged_choice(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        forged = {
            "visualsnoop_members_1": f'["{one.pk}", "{copy.pk}"]',
            "visualsnoop_keep_1": str(one.pk),
            "visualsnoop_delete": "x",
        }
        assert find(logged_in("view_product"), one, **forged).status_code == 403
        assert Product.objects.count() == 2

    def test_to_delete_without_to_view(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        assert find(logged_in("delete_product"), one).status_code == 403

    def test_view_and_delete(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        assert 'type="radio"' in find(logged_in("view_product", "delete_product"), one).text

    def test_where_the_site_has_no_action_for_deleting(
        self, logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, _ = copies(1, 1)
        monkeypatch.delitem(admin.site._actions, "delete_selected")
        assert 'type="radio"' not in find(logged_in(), one).text

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
        forged = {
            "visualsnoop_members_1": f'["{rows[0].pk}", "{rows[2].pk}"]',
            "visualsnoop_keep_1": str(rows[0].pk),
            "visualsnoop_delete": "x",
        }
        answer = find(client, rows[0], url=url, **forged)
        assert messages_of(answer)[-1] == "All pictures are kept."

    def test_the_link_of_duplicates_is_only_read(self, logged_in: LoggedIn) -> None:
        assert logged_in().post(f"{PRODUCTS}duplicates/").status_code == 405


class TestTemplates:
    """The links stand beside those that a project's own templates add."""

    @pytest.fixture(autouse=True)
    def _own_templates(self, settings: Settings, recorder: RecorderCollection) -> None:
        own = "{% extends 'admin/NAME.html' %}{% block object-tools-items %}OWN {{ block.super }}"
        own += "{% endblock %}"
        locmem = {
            f"admin/testapp/product/{name}.html": own.replace("NAME", name)
            for name in ("change_list", "change_form")
        }
        (templates,) = settings.TEMPLATES
        loaders = [
            ("django.template.loaders.locmem.Loader", locmem),
            "django.template.loaders.app_directories.Loader",
        ]
        options = {**templates["OPTIONS"], "loaders": loaders}
        settings.TEMPLATES = [{**templates, "APP_DIRS": False, "OPTIONS": options}]

    def test_changelist(self, logged_in: LoggedIn) -> None:
        assert re.search(
            r"OWN .*Add product.*Find duplicates", logged_in().get(PRODUCTS).text, re.DOTALL
        )

    def test_change_form(self, logged_in: LoggedIn) -> None:
        text = logged_in().get(f"{PRODUCTS}{product(1).pk}/change/").text
        assert re.search(r"Similar</a>.*OWN .*History", text, re.DOTALL)

    def test_a_popup_has_no_links(self, logged_in: LoggedIn) -> None:
        assert "Find duplicates" not in logged_in().get(f"{PRODUCTS}?_popup=1").text


class TestErrors:
    def test_a_collection_that_is_down(
        self, recorder: RecorderCollection, logged_in: LoggedIn
    ) -> None:
        one, _ = copies(1, 1)
        client = logged_in()
        with recorder.failing(TransportError("No answer from images.example.com.")):
            for response in (
                find(client, one, url=f"{PRODUCTS}?active__exact=1"),
                client.get(f"{PRODUCTS}duplicates/?active__exact=1"),
            ):
                assert response.status_code == 302
                assert response["Location"] == f"{PRODUCTS}?active__exact=1"
                assert messages_of(response)[-1] == "No answer from images.example.com."
            similar = client.get(f"{PRODUCTS}{one.pk}/similar/")
            assert similar["Location"] == f"{PRODUCTS}{one.pk}/change/"

    def test_wrong_keys(self, recorder: RecorderCollection, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        with recorder.failing(AuthenticationError("Unknown key or bad signature", status=401)):
            response = find(logged_in(), one)
        (message,) = messages_of(response)
        assert "Unknown key or bad signature" in message
        assert "Check PUBLIC_KEY and SECRET_KEY" in message

    def test_a_backend_that_cannot_be_made(
        self, media: object, logged_in: LoggedIn, settings: Settings
    ) -> None:
        one = product(1)
        settings.VISUALSNOOP = {"default": {"OPTIONS": {"colour": "red"}}}
        response = find(logged_in(), one)
        assert response.status_code == 302
        assert "unknown option 'colour'" in messages_of(response)[0]


def test_the_list_says_that_rows_were_never_indexed(
    recorder: RecorderCollection, logged_in: LoggedIn
) -> None:
    product(1)
    client = logged_in()
    assert "never indexed" not in client.get(PRODUCTS).text
    with sync_paused():
        product(1)
    text = unescape(client.get(PRODUCTS).text)
    assert (
        '<li class="warning">1 rows of testapp.Product.photo have a picture that was never indexed'
        ", so searches do not find it. Type: python manage.py visualsnoop_reindex "
        "testapp.Product --missing --database default</li>"
    ) in text
    records = unescape(client.get("/admin/visualsnoop/syncrecord/").text)
    assert "1 rows of testapp.Product.photo have a picture" in records


def test_the_real_engine(media: object, logged_in: LoggedIn, settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {}}
    assert type(collections["default"]).__name__ == "LocalCollection"
    one, copy, other = copies(1, 1, 2)
    client = logged_in()
    assert groups(find(client, one, other)) == [{one.pk, copy.pk}]
    assert groups(client.get(f"{PRODUCTS}duplicates/")) == [{one.pk, copy.pk}]
    similar = client.get(f"{PRODUCTS}{one.pk}/similar/")
    assert similar.context["cards"][0].row == copy
