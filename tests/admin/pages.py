"""Ask for the admin's pages, and read what they say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.messages import get_messages
from django.test import Client

from django_visualsnoop.models import ReviewGroup
from django_visualsnoop.sync import worker
from tests.fixtures import product

if TYPE_CHECKING:
    from tests.testapp.models import Product

LoggedIn = Callable[..., Client]

PRODUCTS = "/admin/testapp/product/"
DUPLICATES = f"{PRODUCTS}duplicates/"
ACTION = "visualsnoop_find_duplicates"

sweep = partial(worker.sweep, using="default")


def copies(*numbers: int, **kwargs: Any) -> list[Product]:
    """Save one product per number; equal numbers are copies of each other."""
    rows = [product(number, **kwargs) for number in numbers]
    sweep()
    return rows


def find(client: Client, *rows: Any, url: str = PRODUCTS, **data: Any) -> Any:
    """Run the action on these rows of a changelist, and follow it to the groups."""
    keys = [str(row.pk) for row in rows]
    return client.post(url, {"action": ACTION, "_selected_action": keys, **data}, follow=True)


def groups(response: Any) -> list[set[Any]]:
    """Return the keys of the rows of each group in the list."""
    assert response.status_code == 200
    return [{card.row.pk for card in group.cards} for group in response.context["groups"]]


def only_group() -> ReviewGroup:
    """Return the group that there is."""
    return ReviewGroup.objects.get()


def open_group(client: Client, url: str = DUPLICATES) -> tuple[str, Any]:
    """Open the first group of the list; return its URL and page."""
    group_url = client.get(url).context["groups"][0].url
    return group_url, client.get(group_url)


def choose(page: Any, **choices: Any) -> dict[str, str]:
    """Return what a form sends, given the rows to remove or to set apart."""
    value_of = {row.pk: value for value, rows in choices.items() for row in rows}
    return {
        f"visualsnoop_row_{one.member.pk}": value_of.get(one.row.pk, "keep")
        for one, _choice in page.context["members"]
    }


def resolve(client: Client, url: str, data: dict[str, str], **more: str) -> Any:
    """Send the form of a group, and confirm it; follow to the next page."""
    asked = client.post(url, data)
    assert asked.status_code == 200, asked
    return client.post(url, {**data, "visualsnoop_confirmed": "1", **more}, follow=True)


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)] or [
        str(message) for message in (response.context or {}).get("messages", ())
    ]
