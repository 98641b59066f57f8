"""The copies on a row's own page."""

from __future__ import annotations

import pytest

from tests.admin.pages import DUPLICATES, PRODUCTS, LoggedIn, copies

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]


def test_copies_that_the_last_search_found(logged_in: LoggedIn) -> None:
    one, copy, other = copies(1, 1, 2)
    client = logged_in()
    url = f"{PRODUCTS}{one.pk}/change/"
    before = client.get(url)
    assert f'href="{PRODUCTS}{one.pk}/similar/?relation=copy">Copies</a>' in before.text
    assert "Review this group" not in before.text
    group_url = client.get(DUPLICATES).context["groups"][0].url
    page = client.get(url)
    assert [card.row for card in page.context["visualsnoop_copies"]] == [copy]
    assert f'href="{group_url}">Review this group</a>' in page.text
    assert "Review this group" not in client.get(f"{PRODUCTS}{other.pk}/change/").text
    client.post(group_url, {"visualsnoop_all": "keep"})
    assert "Review this group" not in client.get(url).text
