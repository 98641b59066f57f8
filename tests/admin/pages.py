"""Ask for the admin's pages, and read what they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from html import unescape
from typing import TYPE_CHECKING, Any

from django.contrib.messages import get_messages
from django.test import Client

from django_visualsnoop.sync import worker
from tests.fixtures import product

if TYPE_CHECKING:
    from tests.testapp.models import Product

LoggedIn = Callable[..., Client]

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
