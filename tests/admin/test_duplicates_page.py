"""From the changelist to the groups of copies, and on to Django's own confirmation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile

from django_visualsnoop.admin import duplicates_page
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.outbox.pausing import sync_paused
from tests.admin.pages import (
    PRODUCTS,
    LoggedIn,
    confirm,
    copies,
    fields,
    find,
    groups,
    messages_of,
    sweep,
)
from tests.engine.flavours import draw_receipt, encode
from tests.fixtures import picture, product
from tests.testapp.models import Article, Document, Poster, Product

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


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
        monkeypatch.setattr(duplicates_page, "Budget", partial(Budget, searches=1))
        page = client.get(f"{PRODUCTS}duplicates/")
        assert len(groups(page)) == 1
        assert note in page.text
        assert command in page.text
        monkeypatch.setattr(duplicates_page, "Budget", partial(Budget, searches=0))
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


def many(recorder: RecorderCollection, count: int) -> list[Product]:
    """Put pairs of copies into the table and into the collection."""
    with sync_paused():
        rows = Product.objects.bulk_create(
            Product(photo=f"missing/{number}.png") for number in range(count)
        )
    for number, row in enumerate(rows):
        recorder.add_image(b"%d" % (number // 2), f"testapp.product.photo:{row.pk}")
    return rows


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


@pytest.mark.usefixtures("media")
def test_a_page_looks_closer_at_few_pairs_and_the_next_goes_on(
    logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, other = draw_receipt("02/05/2026  Till 3"), draw_receipt("19/11/2026  Till 8")
    one, copy, _ = (
        Product.objects.create(photo=ContentFile(content, "receipt.jpg"))
        for content in (encode(page), encode(page, 60), encode(other))
    )
    sweep()
    client = logged_in()
    monkeypatch.setattr(duplicates_page, "Budget", partial(Budget, looks=2))
    note = "Not all pictures were compared"
    assert note in client.get(f"{PRODUCTS}duplicates/").text
    response = client.get(f"{PRODUCTS}duplicates/")
    assert groups(response) == [{one.pk, copy.pk}]
    assert note not in response.text
