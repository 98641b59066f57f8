"""The page of groups of duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.server.content import groups
from django_visualsnoop.server.pages import duplicates as module
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add

if TYPE_CHECKING:
    from django_visualsnoop.server.models import HostedCollection

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(hosted: HostedCollection) -> HostedCollection:
    """Groups of three and of two, and an image alone."""
    for name, number in (("a", 1), ("b", 1), ("c", 1), ("x", 2), ("y", 2), ("alone", 3)):
        add(hosted, name, image(number))
    return hosted


def test_each_group_is_shown_with_its_size(ann: Person, filled: HostedCollection) -> None:
    shown = ann.get("duplicates", filled.pk).text
    assert "2 groups of duplicates" in shown
    assert "Group 1: 3 images" in shown
    assert "Group 2: 2 images" in shown
    assert "alone" not in shown


def test_groups_are_numbered_over_all_pages(
    ann: Person, filled: HostedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUPS_PER_PAGE", 1)
    first, second = (ann.get("duplicates", filled.pk, page=page).text for page in ("1", "2"))
    assert "Group 1: 3 images" in first
    assert "Group 2" not in first
    assert "Group 2: 2 images" in second
    assert "Group 1" not in second


def test_of_a_large_group_some_are_shown(
    ann: Person, filled: HostedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SHOWN", 2)
    shown = ann.get("duplicates", filled.pk).text
    assert "Group 1: 3 images" in shown
    assert shown.count("… and 1 more.") == 1


def test_without_groups_it_says_why(ann: Person, hosted: HostedCollection) -> None:
    empty = ann.collection()
    assert "There are no images to compare yet." in ann.get("duplicates", empty.pk).text
    add(hosted, "alone", image(1))
    assert "No image of this collection is a duplicate" in ann.get("duplicates", hosted.pk).text


def test_what_was_not_compared_is_said(
    ann: Person, filled: HostedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MAX_COMPARISONS", 0)
    monkeypatch.setattr(module, "MAX_COMPARED", 5)
    shown = ann.get("duplicates", filled.pk).text
    assert "there may be more duplicates" in shown
    assert "too large to compare all images here" in shown
