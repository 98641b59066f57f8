"""From the changelist to the groups of copies, and on to Django's own confirmation."""

from __future__ import annotations

import re
from functools import partial
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.core.files.base import ContentFile

from django_visualsnoop.admin import mixin
from django_visualsnoop.client.exceptions import AuthenticationError, TransportError
from django_visualsnoop.collections import collections
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import worker
from tests.fixtures import picture, product
from tests.testapp.models import Article, Document, Listing, Poster, Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

    LoggedIn = Callable[..., Client]

pytestmark = pytest.mark.django_db

PRODUCTS = "/admin/testapp/product/"
ACTION = "visualsnoop_find_duplicates"

sweep = partial(worker.sweep, using="default")


def copies(*numbers: int, **kwargs: Any) -> list[Product]:
    """Save one product per number; equal numbers are copies of each other."""
    rows = [product(number, **kwargs) for number in numbers]
    sweep()
    return rows


def find(client: Client, *rows: Any, url: str = PRODUCTS, **data: Any) -> Any:
    """Run the action on these rows of a changelist."""
    keys = [str(row.pk) for row in rows]
    return client.post(url, {"action": ACTION, "_selected_action": keys, **data})


def groups(response: Any) -> list[set[Any]]:
    assert response.status_code == 200
    return [{card.row.pk for card in group.cards} for group in response.context["groups"]]


def fields(response: Any) -> dict[str, list[str]]:
    """Return what a browser would submit of the page's form, without its buttons."""
    found: dict[str, list[str]] = {}
    form = re.search(r'<form method="post" action=".*?</form>', response.text, re.DOTALL)
    assert form is not None
    for tag in re.findall(r"<input [^>]*>", form[0]):
        attributes = {name: unescape(value) for name, value in re.findall(r'(\w+)="(.*?)"', tag)}
        is_button = attributes["type"] == "submit"
        if not is_button and (attributes["type"] != "radio" or " checked" in tag):
            found.setdefault(attributes["name"], []).append(attributes["value"])
    return found


def confirm(client: Client, response: Any, url: str = PRODUCTS) -> Any:
    """Press the button of Django's own confirmation."""
    keys = re.findall(r'name="_selected_action" value="(.*?)"', response.text)
    data = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
    return client.post(url, data)


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.mark.usefixtures("recorder")
class TestGroups:
    def test_groups_that_hold_a_selected_row(self, logged_in: LoggedIn) -> None:
        one, copy, _, two, other_copy = copies(1, 1, 2, 3, 3)
        client = logged_in()
        assert groups(find(client, one)) == [{one.pk, copy.pk}]
        found = groups(find(client, one, two))
        assert sorted(map(sorted, found)) == [[one.pk, copy.pk], [two.pk, other_copy.pk]]

    def test_the_selected_ones_are_marked(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        response = find(logged_in(), copy)
        (group,) = response.context["groups"]
        assert [(card.row, card.is_selected) for card in group.cards] == [
            (copy, True),
            (one, False),
        ]
        assert response.text.count(">Selected<") == 1

    def test_all_rows_of_the_filters(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        copies(2, 2, active=False)
        client = logged_in()
        response = find(client, one, url=f"{PRODUCTS}?active__exact=1", select_across="1")
        assert groups(response) == [{one.pk, copy.pk}]
        assert len(groups(find(client, one, select_across="1"))) == 2

    def test_a_copy_outside_of_the_filters_is_shown(self, logged_in: LoggedIn) -> None:
        (one,) = copies(1)
        (copy,) = copies(1, active=False)
        response = find(logged_in(), one, url=f"{PRODUCTS}?active__exact=1")
        assert groups(response) == [{one.pk, copy.pk}]

    def test_a_page_compares_so_much_and_says_so(
        self, logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copies(1, 1, 2, 2)
        client = logged_in()
        note, command = "Not all pictures were compared", "visualsnoop_duplicates testapp.Product<"
        page = client.get(f"{PRODUCTS}duplicates/")
        assert len(groups(page)) == 2
        assert note not in page.text
        # The newest is searched for, as the collection answers one search for each.
        monkeypatch.setattr(mixin, "Budget", partial(Budget, searches=1))
        page = client.get(f"{PRODUCTS}duplicates/")
        assert len(groups(page)) == 1
        assert note in page.text
        assert command in page.text
        monkeypatch.setattr(mixin, "Budget", partial(Budget, searches=0))
        page = client.get(f"{PRODUCTS}duplicates/")
        assert groups(page) == []
        assert note in page.text

    def test_the_link_of_the_changelist(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        copies(2, 2, active=False)
        client = logged_in()
        changelist = client.get(f"{PRODUCTS}?active__exact=1&q=&p=1")
        url = changelist.context["visualsnoop_duplicates_url"]
        assert f'href="{url.replace("&", "&amp;")}">Find duplicates</a>' in changelist.text
        assert groups(client.get(url)) == [{one.pk, copy.pk}]
        assert len(groups(client.get(f"{PRODUCTS}duplicates/"))) == 2

    def test_filters_that_there_are_not(self, logged_in: LoggedIn) -> None:
        response = logged_in().get(f"{PRODUCTS}duplicates/?active__exact=perhaps")
        assert response.status_code == 302
        assert response["Location"] == f"{PRODUCTS}?e=1"

    def test_no_copies(self, logged_in: LoggedIn) -> None:
        (one,) = copies(1)
        client = logged_in()
        assert "None of the selected products has a copy." in find(client, one).text
        assert "None of these products has a copy." in client.get(f"{PRODUCTS}duplicates/").text

    def test_facts_and_links(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        text = find(logged_in(), one).text
        assert text.count("256 \N{MULTIPLICATION SIGN} 192") == 2
        assert text.count("<dd>100%</dd>") == 2
        for row in (one, copy):
            assert f'href="{PRODUCTS}{row.pk}/change/"' in text
            assert f'<img src="{row.photo.url}" alt="" loading="lazy"' in text

    def test_missing_and_broken_files(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        one.photo.storage.delete(str(one.photo.name))
        copy.photo.storage.delete(str(copy.photo.name))
        copy.photo.storage.save(copy.photo.name, ContentFile(b"no picture"))
        text = find(logged_in(), one).text
        assert "The file is not in the storage." in text
        assert "The file is not a readable picture." in text

    def test_large_groups_are_cut_and_the_selected_shown_first(self, logged_in: LoggedIn) -> None:
        rows = copies(1, 1, 1, 1, 1, 1)
        response = find(logged_in(), rows[-1])
        (group,) = response.context["groups"]
        assert len(group.cards) == 4
        assert group.cards[0].row == rows[-1]
        assert "2 more copies are not shown and will be kept." in response.text

    def test_the_field_that_matched_is_shown(self, logged_in: LoggedIn) -> None:
        first = Article.objects.create(cover=picture(1), thumbnail=picture(2))
        second = Article.objects.create(cover=picture(3), thumbnail=picture(2))
        sweep()
        response = find(logged_in(), first, url="/admin/testapp/article/")
        assert groups(response) == [{first.pk, second.pk}]
        assert first.thumbnail.url in response.text
        assert first.cover.url not in response.text

    def test_thumbnails_made_elsewhere(self, logged_in: LoggedIn) -> None:
        rows = [Document.objects.create(code=code, scan=picture(1)) for code in ("a_b", 'c"d')]
        sweep()
        response = find(logged_in(), rows[0], url="/admin/testapp/document/")
        assert '<img src="/thumbnails/scan/a_b"' in response.text
        assert 'href="/admin/testapp/document/a_5Fb/change/"' in response.text


@pytest.mark.usefixtures("recorder")
class TestPages:
    def test_pages_of_a_selection(self, logged_in: LoggedIn) -> None:
        rows = copies(*(number for number in range(5) for _ in range(2)))
        client = logged_in()
        first = find(client, *rows)
        assert '<button type="submit" name="visualsnoop_page" value="2">' in first.text
        second = client.post(PRODUCTS, {**fields(first), "visualsnoop_page": "2"})
        assert len(groups(first)) == 3
        assert len(groups(second)) == 2
        assert set.union(*groups(first), *groups(second)) == {row.pk for row in rows}
        assert second.context["groups"][0].number == 4

    def test_pages_of_all_carry_one_key_only(self, logged_in: LoggedIn) -> None:
        rows = copies(*(number for number in range(5) for _ in range(2)))
        client = logged_in()
        first = find(client, *rows, select_across="1")
        sent = fields(first)
        assert len(sent["_selected_action"]) == 1
        second = client.post(PRODUCTS, {**sent, "visualsnoop_page": "2"})
        assert set.union(*groups(first), *groups(second)) == {row.pk for row in rows}

    def test_pages_of_the_link_keep_the_filters(self, logged_in: LoggedIn) -> None:
        copies(*(number for number in range(4) for _ in range(2)))
        copies(9, 9, active=False)
        client = logged_in()
        first = client.get(f"{PRODUCTS}duplicates/?active__exact=1")
        assert 'href="?active__exact=1&amp;visualsnoop_page=2"' in first.text
        second = client.get(f"{PRODUCTS}duplicates/?active__exact=1&visualsnoop_page=2")
        assert len(groups(second)) == 1
        assert "Choices on other pages are not saved" in second.text

    @pytest.mark.parametrize("page", ["x", "0", "99", ""])
    def test_pages_that_there_are_not(self, page: str, logged_in: LoggedIn) -> None:
        (one, _) = copies(1, 1)
        assert len(groups(find(logged_in(), one, visualsnoop_page=page))) == 1


@pytest.mark.usefixtures("recorder")
class TestDeleting:
    def test_the_smaller_one_is_handed_to_djangos_confirmation(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        client = logged_in()
        sent = fields(find(client, one))
        assert sent["visualsnoop_keep_1"] == [str(one.pk)]
        asked = client.post(PRODUCTS, {**sent, "visualsnoop_delete": "x"})
        assert "admin/delete_selected_confirmation.html" in [t.name for t in asked.templates]
        assert Product.objects.count() == 2
        done = confirm(client, asked)
        assert list(Product.objects.all()) == [one]
        assert messages_of(done) == ["Successfully deleted 1 product."]
        assert copy not in Product.objects.all()

    def test_the_one_that_was_chosen_is_kept(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        client = logged_in()
        sent = {**fields(find(client, one)), "visualsnoop_keep_1": str(copy.pk)}
        confirm(client, client.post(PRODUCTS, {**sent, "visualsnoop_delete": "x"}))
        assert list(Product.objects.all()) == [copy]

    def test_keep_all(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        client = logged_in()
        response = find(client, one)
        assert 'name="visualsnoop_keep_1" value="">' in response.text
        sent = {**fields(response), "visualsnoop_keep_1": "", "visualsnoop_delete": "x"}
        answer = client.post(PRODUCTS, sent)
        assert messages_of(answer) == ["All pictures are kept."]
        assert Product.objects.count() == 2

    def test_copies_outside_of_the_filters_are_deleted_too(self, logged_in: LoggedIn) -> None:
        (one,) = copies(1)
        copies(1, active=False)
        client = logged_in()
        page = find(client, one, url=f"{PRODUCTS}?active__exact=1")
        assert f'formaction="{PRODUCTS}"' in page.text
        confirm(client, client.post(PRODUCTS, {**fields(page), "visualsnoop_delete": "x"}))
        assert list(Product.objects.all()) == [one]

    def test_several_groups_of_all(self, logged_in: LoggedIn) -> None:
        rows = copies(1, 2, 1, 2, 1)
        client = logged_in()
        page = client.get(f"{PRODUCTS}duplicates/")
        confirm(client, client.post(PRODUCTS, {**fields(page), "visualsnoop_delete": "x"}))
        assert set(Product.objects.all()) == set(rows[:2])

    def test_what_is_to_be_kept_is_gone(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        client = logged_in()
        sent = fields(find(client, one))
        one.delete()
        answer = client.post(PRODUCTS, {**sent, "visualsnoop_delete": "x"})
        assert messages_of(answer) == [
            "Skipped 1 group: the picture to keep no longer exists.",
            "All pictures are kept.",
        ]

    def test_it_cannot_be_confirmed_here(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        client = logged_in()
        sent = {**fields(find(client, one)), "visualsnoop_delete": "x", "post": "yes"}
        assert client.post(PRODUCTS, sent).status_code == 400
        assert Product.objects.count() == 2

    def test_djangos_own_rule_for_related_rows_holds(self, logged_in: LoggedIn) -> None:
        one = product(1)
        poster = Poster.objects.create(photo=picture(1))
        sweep()
        client = logged_in("view_product", "delete_product")
        sent = {**fields(find(client, one)), "visualsnoop_delete": "x"}
        asked = client.post(PRODUCTS, sent)
        assert f"Product object ({poster.pk})" in asked.text
        assert f"Product object ({one.pk})" not in asked.text
        assert "<li>Posters: 1</li>" in asked.text


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


@pytest.mark.usefixtures("recorder")
class TestSimilar:
    def test_the_most_similar_rows(self, logged_in: LoggedIn) -> None:
        one, copy, _ = copies(1, 1, 2)
        client = logged_in("view_product")
        url = f"{PRODUCTS}{one.pk}/similar/"
        assert f'<a href="{url}">Similar</a>' in client.get(f"{PRODUCTS}{one.pk}/change/").text
        response = client.get(url)
        assert [card.row for card in response.context["cards"]] == [copy]
        assert "<dd>100%</dd>" in response.text
        assert f'href="{PRODUCTS}{copy.pk}/change/"' in response.text

    def test_without_a_picture_there_is_no_link(self, logged_in: LoggedIn) -> None:
        row = Product.objects.create()
        client = logged_in()
        assert "/similar/" not in client.get(f"{PRODUCTS}{row.pk}/change/").text
        assert "No similar pictures found." in client.get(f"{PRODUCTS}{row.pk}/similar/").text

    def test_a_row_that_there_is_not(self, logged_in: LoggedIn) -> None:
        response = logged_in().get(f"{PRODUCTS}77/similar/")
        assert response["Location"] == "/admin/"

    def test_a_missing_file_of_a_row_that_is_not_indexed(self, logged_in: LoggedIn) -> None:
        row = product(1)
        row.photo.storage.delete(str(row.photo.name))
        response = logged_in().get(f"{PRODUCTS}{row.pk}/similar/")
        assert response.status_code == 302
        assert messages_of(response)[0].startswith("The file is not in the storage")


def many(recorder: RecorderCollection, count: int) -> list[Product]:
    """Put pairs of copies into the table and into the collection."""
    with sync_paused():
        rows = Product.objects.bulk_create(
            Product(photo=f"missing/{number}.png") for number in range(count)
        )
    for number, row in enumerate(rows):
        recorder.add_image(b"%d" % (number // 2), f"testapp.product.photo:{row.pk}")
    return rows


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


@pytest.mark.parametrize("count", [10, 1500])
def test_queries_do_not_depend_on_the_number_of_rows(
    count: int,
    recorder: RecorderCollection,
    logged_in: LoggedIn,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    rows = many(recorder, count)
    client = logged_in()
    # session, user; the changelist's two counts; keys that exist, rows of the page
    with django_assert_num_queries(6):
        response = find(client, rows[0], select_across="1")
    # The recorder searches for one image after the other: for 500 in a request.
    found = response.context["group_count"]
    assert found == count // 2 if count <= 500 else found >= 250
    with django_assert_num_queries(8):  # and what the filters let through: of all, of the page
        response = find(client, rows[0], url=f"{PRODUCTS}?active__exact=1", select_across="1")
    # The recorder searches for one image after the other: for 500 in a request.
    found = response.context["group_count"]
    assert found == count // 2 if count <= 500 else found >= 250


def test_the_real_engine(media: object, logged_in: LoggedIn, settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {}}
    assert type(collections["default"]).__name__ == "LocalCollection"
    one, copy, other = copies(1, 1, 2)
    client = logged_in()
    assert groups(find(client, one, other)) == [{one.pk, copy.pk}]
    assert groups(client.get(f"{PRODUCTS}duplicates/")) == [{one.pk, copy.pk}]
    similar = client.get(f"{PRODUCTS}{one.pk}/similar/")
    assert similar.context["cards"][0].row == copy
