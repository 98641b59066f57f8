"""Notices above the admin's lists."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.outbox.pausing import sync_paused
from tests.admin.pages import PRODUCTS, LoggedIn
from tests.fixtures import product

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


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
