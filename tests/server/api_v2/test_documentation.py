"""The page for people."""

from __future__ import annotations

import pytest

from tests.server.v2 import API2, ask

pytestmark = pytest.mark.django_db


def test_a_page_for_people() -> None:
    page = ask(None, "GET", "/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    text = page.content.decode()
    for words in (f"<code>PUT {API2}/images/{{image_id}}</code>", "scope: search", "metadata"):
        assert words in text
    assert "<script" not in text
