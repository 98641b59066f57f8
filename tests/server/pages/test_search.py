"""Searching on a page."""

from __future__ import annotations

import pytest

from tests.collections.contract import image
from tests.server.pages.conftest import Person, add, upload

pytestmark = pytest.mark.django_db


def test_searching_says_what_is_wrong(ann: Person) -> None:
    hosted = ann.collection()
    add(hosted, "one", image(1))
    nothing = ann.post("search", hosted.pk)
    assert (nothing.status_code, "Choose a picture." in nothing.text) == (400, True)
    none = ann.post("search", hosted.pk, picture=upload(2))
    assert none.status_code == 200
    assert "This collection has no copy of this picture" in none.text
