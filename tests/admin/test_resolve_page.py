"""Resolve the sure groups of a page at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.admin import resolve_page
from django_visualsnoop.models import ReviewGroup
from tests.admin.pages import DUPLICATES, LoggedIn, copies, messages_of
from tests.testapp.admin import ProductAdmin
from tests.testapp.models import Product, Range, Review

if TYPE_CHECKING:
    from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]


def read_form(response: Any) -> dict[str, list[str]]:
    """Return the hidden fields of the page's form."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(
        r'<input type="hidden" name="(visualsnoop_\w+)" value="(.*?)"', response.text
    ):
        found.setdefault(name, []).append(value)
    return found


def ask(client: Client) -> Any:
    return client.post(f"{DUPLICATES}resolve/", read_form(client.get(DUPLICATES)))


def test_by_the_proposals_after_a_confirmation(logged_in: LoggedIn) -> None:
    rows = copies(1, 2, 1, 2, 1)
    sale = Range.objects.create()
    for row in rows:
        Review.objects.create(product=row)
        sale.products.add(row)
    client = logged_in()
    asked = ask(client)
    assert Product.objects.count() == 5
    assert "<li>Reviews: 2</li>" in asked.text
    assert "Yes, resolve these 2 groups" in asked.text
    done = client.post(f"{DUPLICATES}resolve/", read_form(asked), follow=True)
    assert messages_of(done)[0].startswith("Resolved 2 groups.")
    assert set(Product.objects.all()) == set(rows[:2])
    assert Review.objects.count() == 5
    assert set(sale.products.all()) == set(rows[:2])
    undone = [
        client.post(f"{DUPLICATES}{group.pk}/undo/")
        for group in ReviewGroup.objects.filter(state="resolved")
    ]
    assert len(undone) == 2
    assert {review.product for review in Review.objects.all()} == set(rows)


def test_what_has_changed_since_it_was_shown_is_left_alone(logged_in: LoggedIn) -> None:
    one, copy, *_ = copies(1, 1, 2, 2)
    client = logged_in()
    form = read_form(ask(client))
    # Another row is proposed now: that with the larger file.
    copy.photo.storage.delete(str(copy.photo.name))
    one.photo.storage.delete(str(one.photo.name))
    Product.objects.filter(pk=one.pk).update(photo="gone.png")
    ReviewGroup.objects.filter(number=1).update(similarity=0.5)
    done = client.post(f"{DUPLICATES}resolve/", form, follow=True)
    assert Product.objects.count() == 3
    assert messages_of(done)[0].startswith("Resolved 1 group.")


def test_groups_with_conflicts_are_left_out(logged_in: LoggedIn) -> None:
    _, copy = copies(1, 1)
    Review.objects.create(product=copy)
    client = logged_in("view_product", "delete_product")
    asked = ask(client)
    assert "Group 1: You lack permissions: change reviews." in " ".join(asked.text.split())
    assert "Yes, resolve" not in asked.text


def test_groups_that_take_too_long_come_next(
    logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies(1, 1, 2, 2)
    client = logged_in()
    monkeypatch.setattr(resolve_page, "_SECONDS", -1.0)
    asked = ask(client)
    assert "2 more groups of the page come after these." in asked.text
    assert client.post(f"{DUPLICATES}resolve/", read_form(asked), follow=True).status_code == 200
    assert Product.objects.count() == 4


def test_unsure_groups_are_not_offered(logged_in: LoggedIn) -> None:
    copies(1, 1)
    client = logged_in()
    client.get(DUPLICATES)
    ReviewGroup.objects.update(similarity=0.7)
    assert "Resolve the sure groups" not in client.get(DUPLICATES).text
    key = ReviewGroup.objects.get().pk
    asked = client.post(f"{DUPLICATES}resolve/", {"visualsnoop_group": key})
    assert "None of these groups can be resolved here." in asked.text


def test_many_groups_need_no_more_queries(
    logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProductAdmin, "visualsnoop_groups_per_page", 10)
    rows = copies(*range(10), *range(10))
    sale = Range.objects.create()
    for row in rows:
        Review.objects.create(product=row)
        sale.products.add(row)
    client = logged_in()
    form = read_form(client.get(DUPLICATES))
    few = {**form, "visualsnoop_group": form["visualsnoop_group"][:2]}
    client.post(f"{DUPLICATES}resolve/", few)  # asks for what is cached from then on
    counts = []
    for data in (few, form):
        with CaptureQueriesContext(connection) as queries:
            asked = client.post(f"{DUPLICATES}resolve/", data)
        assert asked.text.count("<li>Reviews: 1</li>") == len(data["visualsnoop_group"])
        counts.append(len(queries))
    assert counts[1] <= 30
    assert counts[1] - counts[0] <= 2
    client.post(f"{DUPLICATES}resolve/", read_form(asked))
    resolutions = ReviewGroup.objects.values_list("resolution", flat=True)
    assert len(set(resolutions) - {None}) == 10
    assert (Product.objects.count(), Review.objects.count()) == (10, 20)
    assert set(sale.products.all()) == set(Product.objects.all())
