"""The list of groups of copies: what it shows, and for which rows."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from django_visualsnoop.admin import duplicates_page
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.models import ReviewGroup, ReviewSearch
from django_visualsnoop.outbox.pausing import sync_paused
from tests.admin.pages import (
    DUPLICATES,
    PRODUCTS,
    LoggedIn,
    choose,
    copies,
    find,
    groups,
    open_group,
    resolve,
    sweep,
)
from tests.fixtures import picture, product
from tests.testapp.models import Article, Document, Product

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

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
        # A selection replaces the groups that it finds again.
        assert len(groups(client.get(DUPLICATES))) == 2

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
        response = logged_in().get(f"{DUPLICATES}?active__exact=1")
        assert groups(response) == [{one.pk, copy.pk}]

    def test_the_link_of_the_changelist(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        copies(2, 2, active=False)
        client = logged_in()
        changelist = client.get(f"{PRODUCTS}?active__exact=1&q=&p=1")
        url = changelist.context["visualsnoop_duplicates_url"]
        assert f'href="{url.replace("&", "&amp;")}">Find duplicates</a>' in changelist.text
        assert groups(client.get(url)) == [{one.pk, copy.pk}]
        assert len(groups(client.get(DUPLICATES))) == 2

    def test_filters_that_there_are_not(self, logged_in: LoggedIn) -> None:
        response = logged_in().get(f"{DUPLICATES}?active__exact=perhaps")
        assert response.status_code == 302
        assert response["Location"] == f"{PRODUCTS}?e=1"

    def test_no_copies(self, logged_in: LoggedIn) -> None:
        copies(1)
        assert "None of these products has a copy." in logged_in().get(DUPLICATES).text

    def test_pictures_that_no_worker_has_indexed(self, logged_in: LoggedIn) -> None:
        copies(1)
        client = logged_in()
        assert "waiting and" not in client.get(DUPLICATES).text
        product(1)
        product(2)
        text = client.get(DUPLICATES).text
        assert "2 pictures are waiting and were not compared." in text
        assert "<code>python manage.py visualsnoop_sync</code>" in text

    def test_facts_and_links(self, logged_in: LoggedIn) -> None:
        one, copy = copies(1, 1)
        text = logged_in().get(DUPLICATES).text
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
        client = logged_in()
        _, page = open_group(client)
        for text in (client.get(DUPLICATES).text, page.text):
            assert "The file is not in the storage." in text
            assert "The file is not a readable picture." in text

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

    def test_rows_that_were_deleted_meanwhile(self, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        client = logged_in()
        assert len(groups(client.get(DUPLICATES))) == 1
        one.delete()
        assert groups(client.get(DUPLICATES)) == []


@pytest.mark.usefixtures("recorder")
class TestPages:
    def test_pages_keep_the_filters(self, logged_in: LoggedIn) -> None:
        copies(*(number for number in range(4) for _ in range(2)))
        copies(9, 9, active=False)
        client = logged_in()
        first = client.get(f"{DUPLICATES}?active__exact=1")
        assert len(groups(first)) == 3
        assert "?active__exact=1&amp;visualsnoop_tab=open&amp;visualsnoop_page=2" in first.text
        second = client.get(f"{DUPLICATES}?active__exact=1&visualsnoop_page=2")
        assert len(groups(second)) == 1

    @pytest.mark.parametrize("page", ["x", "0", "99", ""])
    def test_pages_that_there_are_not(self, page: str, logged_in: LoggedIn) -> None:
        copies(1, 1)
        assert len(groups(logged_in().get(f"{DUPLICATES}?visualsnoop_page={page}"))) == 1

    def test_tabs_and_progress(self, logged_in: LoggedIn) -> None:
        copies(1, 1, 2, 2)
        client = logged_in()
        url, page = open_group(client)
        removed = page.context["members"][1][0].row
        resolve(client, url, choose(page, remove=[removed]))
        listed = client.get(DUPLICATES)
        assert "1 of 2 groups decided." in listed.text
        assert "Continue reviewing" in listed.text
        tabs = {tab.name: tab.group_count for tab in listed.context["tabs"]}
        assert tabs == {"to review": 1, "resolved": 1, "all kept": 0, "not duplicates": 0}
        resolved = client.get(f"{DUPLICATES}?visualsnoop_tab=resolved")
        assert len(groups(resolved)) == 1
        assert "staff" in resolved.text


@pytest.mark.usefixtures("recorder")
class TestSearches:
    def test_the_groups_are_kept_until_somebody_searches_again(self, logged_in: LoggedIn) -> None:
        copies(1, 1)
        client = logged_in()
        assert len(groups(client.get(DUPLICATES))) == 1
        copies(2, 2)
        assert len(groups(client.get(DUPLICATES))) == 1
        assert client.get(f"{DUPLICATES}search/").status_code == 405
        response = client.post(f"{DUPLICATES}search/", follow=True)
        assert len(groups(response)) == 2

    def test_a_request_compares_so_much_and_a_task_does_the_rest(
        self,
        logged_in: LoggedIn,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        copies(1, 1, 2, 2)
        client = logged_in()
        # The newest is searched for, as the collection answers one search for each.
        monkeypatch.setattr(duplicates_page, "Budget", partial(Budget, searches=1))
        page = client.get(DUPLICATES)
        assert len(groups(page)) == 1
        assert "Searching for duplicates in the background." in page.text
        assert '<meta http-equiv="refresh"' in page.text
        assert "No worker has begun this search." not in page.text
        minutes_ago = timezone.now() - timedelta(minutes=5)
        ReviewSearch.objects.update(requested_at=minutes_ago)
        page = client.get(DUPLICATES)
        assert "No worker has begun this search." in page.text
        assert "visualsnoop_duplicates --review testapp.Product<" in page.text

    def test_a_failed_search_says_why(self, logged_in: LoggedIn) -> None:
        copies(1, 1)
        client = logged_in()
        client.get(DUPLICATES)
        ReviewSearch.objects.update(state="failed", reason="The service is down.")
        page = client.get(DUPLICATES)
        assert "The last search failed: The service is down." in page.text
        assert len(groups(page)) == 1


def many(recorder: RecorderCollection, count: int) -> list[Product]:
    """Put pairs of copies into the table and into the collection."""
    with sync_paused():
        rows = Product.objects.bulk_create(
            Product(photo=f"missing/{number}.png") for number in range(count)
        )
    for number, row in enumerate(rows):
        recorder.add_image(b"%d" % (number // 2), f"testapp.product.photo:{row.pk}")
    return rows


@pytest.mark.parametrize("count", [10, 400])
def test_queries_do_not_depend_on_the_number_of_rows(
    count: int,
    recorder: RecorderCollection,
    logged_in: LoggedIn,
    django_assert_max_num_queries: Any,
) -> None:
    many(recorder, count)
    client = logged_in()
    client.get(DUPLICATES)
    assert ReviewGroup.objects.count() == count // 2
    with django_assert_max_num_queries(12):
        assert client.get(DUPLICATES).context["total"] == count // 2
    with django_assert_max_num_queries(14):
        assert client.get(f"{DUPLICATES}?active__exact=1").context["total"] == count // 2
    with django_assert_max_num_queries(27):
        _, page = open_group(client)
    assert len(page.context["members"]) == 2
