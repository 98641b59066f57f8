"""Review a group: what the page shows, and what each decision does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile

from django_visualsnoop.collections import collections
from django_visualsnoop.models import Resolution, ReviewGroup
from tests.admin.pages import (
    DUPLICATES,
    LoggedIn,
    choose,
    copies,
    groups,
    messages_of,
    only_group,
    open_group,
    resolve,
    sweep,
)
from tests.engine.flavours import draw_receipt, encode
from tests.testapp.admin import ProductAdmin
from tests.testapp.models import Product, Range, Review

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db import models
    from django.http import HttpRequest
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db
State = ReviewGroup.State


@pytest.mark.usefixtures("recorder")
class TestPage:
    def test_differences_are_marked(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        Product.objects.filter(pk=one.pk).update(name="Chair")
        Review.objects.create(product=one)
        _, page = open_group(logged_in())
        facts = {fact.label: fact for fact in page.context["members"][0][0].facts}
        assert (facts["Name"].value, facts["Name"].differs) == ("Chair", True)
        assert (facts["Related rows"].value, facts["Related rows"].differs) == ("Reviews: 1", True)
        assert not facts["Pixels"].differs
        assert page.text.count('class="visualsnoop-differs"') == 4

    def test_nothing_is_chosen_before_somebody_chooses(self, logged_in: LoggedIn) -> None:
        copies(1, 1)
        _, page = open_group(logged_in())
        assert [choice for _, choice in page.context["members"]] == ["keep", "keep"]
        assert page.text.count("Proposed to keep") == 1

    def test_a_large_group_is_cut_and_the_rest_is_kept(self, logged_in: LoggedIn) -> None:
        copies(*[1] * 6)
        client = logged_in()
        url, page = open_group(client)
        assert len(page.context["members"]) == 4
        assert "2 more copies are not shown and will be kept." in page.text
        rows = [one.row for one, _ in page.context["members"]]
        resolve(client, url, choose(page, remove=rows[1:]))
        assert Product.objects.count() == 3

    def test_groups_that_there_are_not(self, logged_in: LoggedIn) -> None:
        client = logged_in()
        assert client.get(f"{DUPLICATES}1/")["Location"] == DUPLICATES
        copies(1, 1)
        client.get(DUPLICATES)
        for key in (0, 999, 10**30):
            url = f"{DUPLICATES}{key}/"
            for answer in (client.get(url), client.post(url), client.post(f"{url}undo/")):
                assert answer["Location"] == DUPLICATES
        told = messages_of(client.get(f"{DUPLICATES}999/", follow=True))
        assert told[-1] == "There is no such group any more. Somebody has searched again."

    def test_from_group_to_group(self, logged_in: LoggedIn) -> None:
        copies(1, 1, 2, 2, 3, 3)
        client = logged_in()
        urls = [group.url for group in client.get(DUPLICATES).context["groups"]]
        page = client.get(urls[1])
        assert (page.context["before_url"], page.context["after_url"]) == (urls[0], urls[2])
        done = client.post(urls[1], {"visualsnoop_all": "keep"})
        assert done["Location"] == urls[2]
        done = client.post(urls[2], {"visualsnoop_all": "keep"})
        assert done["Location"] == urls[0]
        done = client.post(urls[0], {"visualsnoop_all": "keep"})
        assert done["Location"] == DUPLICATES

    def test_a_group_whose_rows_are_gone_leads_to_the_next(self, logged_in: LoggedIn) -> None:
        rows = copies(1, 1, 2, 2)
        client = logged_in()
        urls = [group.url for group in client.get(DUPLICATES).context["groups"]]
        rows[0].delete()
        assert client.get(urls[0])["Location"] == urls[1]


@pytest.mark.usefixtures("recorder")
class TestRemoving:
    def test_nothing_is_removed_before_it_is_confirmed(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        Review.objects.create(product=copy)
        client = logged_in()
        url, page = open_group(client)
        asked = client.post(url, choose(page, remove=[copy]))
        assert Product.objects.count() == 2
        assert "moves to the row that is kept:" in asked.text
        assert "<li>Reviews: 1</li>" in asked.text
        assert "You can undo this for 30 days." in asked.text
        assert asked.text.count(f'src="{copy.photo.url}"') == 1
        done = resolve(client, url, choose(page, remove=[copy]))
        assert list(Product.objects.all()) == [one]
        told = messages_of(done)[0]
        assert told.startswith("Group 1: removed 1. You can undo this until ")
        assert told.endswith(f'<a href="{url}">Take this back</a>')
        assert list(LogEntry.objects.values_list("object_id", flat=True)) == [str(copy.pk)]

    def test_what_is_related_moves(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        review = Review.objects.create(product=copy)
        sale = Range.objects.create()
        sale.products.add(copy)
        client = logged_in()
        url, page = open_group(client)
        resolve(client, url, choose(page, remove=[copy]))
        review.refresh_from_db()
        assert review.product == one
        assert list(sale.products.all()) == [one]

    def test_empty_fields_are_filled_if_one_asks_for_it(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        Product.objects.filter(pk=copy.pk).update(name="Chair")
        client = logged_in()
        url, page = open_group(client)
        asked = client.post(url, choose(page, remove=[copy]))
        assert '<input type="checkbox" name="visualsnoop_fill" value="name"> Name: Chair' in (
            asked.text
        )
        resolve(client, url, choose(page, remove=[copy]), visualsnoop_fill="name")
        one.refresh_from_db()
        assert one.name == "Chair"

    def test_none_is_kept(self, logged_in: LoggedIn) -> None:
        rows = copies(1, 1)
        client = logged_in()
        url, page = open_group(client)
        resolve(client, url, choose(page, remove=rows))
        assert not Product.objects.exists()

    def test_undo(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        Review.objects.create(product=copy)
        client = logged_in()
        url, page = open_group(client)
        resolve(client, url, choose(page, remove=[copy]))
        sweep()
        assert "Undo</button>" in client.get(url).text
        back = client.post(f"{url}undo/", follow=True)
        assert set(Product.objects.all()) == {one, copy}
        assert Review.objects.get().product == copy
        assert messages_of(back) == ["Group 1 is to be reviewed again."]
        assert only_group().state == State.OPEN
        sweep()
        assert copy.photo.storage.exists(str(copy.photo.name))
        assert set(Product.objects.copies_of(one)) == {copy}

    def test_an_undo_that_is_too_late(self, logged_in: LoggedIn) -> None:
        _, copy = copies(1, 1)
        client = logged_in()
        url, page = open_group(client)
        resolve(client, url, choose(page, remove=[copy]))
        Resolution.objects.all().delete()
        assert "It can no longer be undone." in client.get(url).text
        client.post(f"{url}undo/")
        assert Product.objects.count() == 1

    def test_without_undo_the_page_says_so(
        self, logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ProductAdmin, "visualsnoop_undo_days", 0)
        _, copy = copies(1, 1)
        client = logged_in()
        url, page = open_group(client)
        asked = client.post(url, choose(page, remove=[copy]))
        assert "This cannot be undone." in asked.text
        resolve(client, url, choose(page, remove=[copy]))
        assert not Resolution.objects.exists()
        assert only_group().state == State.RESOLVED

    def test_something_else_than_deleting(
        self, logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def hide(self: Any, request: HttpRequest, rows: Sequence[models.Model]) -> None:
            Product.objects.filter(pk__in=[row.pk for row in rows]).update(active=False)

        monkeypatch.setattr(ProductAdmin, "visualsnoop_remove", hide)
        one, copy = copies(1, 1)
        review = Review.objects.create(product=copy)
        client = logged_in()
        url, page = open_group(client)
        resolve(client, url, choose(page, remove=[copy]))
        copy.refresh_from_db()
        review.refresh_from_db()
        assert not copy.active
        assert review.product == one

    def test_somebody_else_was_faster(self, logged_in: LoggedIn) -> None:
        _, copy = copies(1, 1)
        client = logged_in()
        url, page = open_group(client)
        data = {**choose(page, remove=[copy]), "visualsnoop_confirmed": "1"}
        client.post(url, {"visualsnoop_all": "keep"})
        answer = client.post(url, data, follow=True)
        assert Product.objects.count() == 2
        assert "Group 1 is decided already." in messages_of(answer)

    def test_a_choice_that_no_form_sends(self, logged_in: LoggedIn) -> None:
        copies(1, 1)
        client = logged_in()
        url, page = open_group(client)
        data = dict.fromkeys(choose(page), "destroy")
        sent = {**data, "visualsnoop_confirmed": "1", "visualsnoop_row_x": "remove"}
        answer = client.post(url, sent, follow=True)
        assert Product.objects.count() == 2
        assert only_group().state == State.OPEN
        assert messages_of(answer)[0].startswith("Choose what to remove")


@pytest.mark.usefixtures("recorder")
class TestKeeping:
    def test_groups_that_are_all_kept_do_not_come_back(self, logged_in: LoggedIn) -> None:
        copies(1, 1)
        client = logged_in()
        url, _ = open_group(client)
        client.post(url, {"visualsnoop_all": "keep"})
        search = f"{DUPLICATES}search/"
        assert groups(client.post(search, follow=True)) == []
        copies(1)  # another copy: a new question
        assert len(groups(client.post(search, follow=True))) == 1
        assert len(groups(client.get(f"{DUPLICATES}?visualsnoop_tab=kept"))) == 1


def test_not_duplicates_are_remembered_and_taken_back(
    media: object, logged_in: LoggedIn, settings: Settings
) -> None:
    settings.VISUALSNOOP = {"default": {}}
    one, copy = copies(1, 1)
    client = logged_in()
    url, _ = open_group(client)
    client.post(url, {"visualsnoop_all": "apart"})
    assert only_group().state == State.NOT_DUPLICATES
    assert len(Product.objects.duplicates()) == 0
    for row in (one, copy):
        row.save()
    sweep()
    assert groups(client.post(f"{DUPLICATES}search/", follow=True)) == []
    client.post(f"{url}undo/")
    assert only_group().state == State.OPEN
    assert len(Product.objects.duplicates()) == 1


def test_one_of_three_is_not_a_duplicate(
    media: object, logged_in: LoggedIn, settings: Settings
) -> None:
    settings.VISUALSNOOP = {"default": {}}
    one, copy, other = copies(1, 1, 1)
    client = logged_in()
    url, page = open_group(client)
    resolve(client, url, choose(page, remove=[copy], apart=[other]))
    sweep()
    assert set(Product.objects.all()) == {one, other}
    assert collections["default"].list_not_duplicates() != []
    assert len(Product.objects.duplicates()) == 0


@pytest.mark.usefixtures("media")
def test_variants_are_not_proposed(logged_in: LoggedIn) -> None:
    page, other = draw_receipt("02/05/2026  Till 3"), draw_receipt("19/11/2026  Till 8")
    one, copy, _ = (
        Product.objects.create(photo=ContentFile(content, "receipt.jpg"))
        for content in (encode(page), encode(page, 60), encode(other))
    )
    sweep()
    assert groups(logged_in().get(DUPLICATES)) == [{one.pk, copy.pk}]


@pytest.mark.usefixtures("recorder")
class TestPermissions:
    def test_to_view_only(self, logged_in: LoggedIn) -> None:
        _, copy = copies(1, 1)
        client = logged_in("view_product")
        url, page = open_group(client)
        assert 'type="radio" name="visualsnoop_row' not in page.text
        data = choose(page, remove=[copy])
        for sent in (data, {**data, "visualsnoop_confirmed": "1"}, {"visualsnoop_all": "keep"}):
            assert client.post(url, sent).status_code == 403
        assert client.post(f"{url}undo/").status_code == 403
        assert only_group().state == State.OPEN
        assert Product.objects.count() == 2

    def test_to_change_but_not_to_delete(self, logged_in: LoggedIn) -> None:
        _, copy = copies(1, 1)
        client = logged_in("view_product", "change_product")
        url, page = open_group(client)
        assert 'value="apart"' in page.text
        assert 'value="remove"' not in page.text
        assert client.post(url, choose(page, remove=[copy])).status_code == 403
        assert client.post(url, {"visualsnoop_all": "keep"}).status_code == 302

    def test_related_rows_need_a_permission_too(self, logged_in: LoggedIn) -> None:
        _, copy = copies(1, 1)
        Review.objects.create(product=copy)
        client = logged_in("view_product", "change_product", "delete_product")
        url, page = open_group(client)
        data = choose(page, remove=[copy])
        asked = client.post(url, data)
        assert "You lack these permissions: change reviews" in asked.text
        assert "Yes, resolve this group" not in asked.text
        assert client.post(url, {**data, "visualsnoop_confirmed": "1"}).status_code == 403
        assert Product.objects.count() == 2
