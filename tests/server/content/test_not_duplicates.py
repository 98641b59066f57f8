"""Pairs marked as not duplicates."""

from __future__ import annotations

from typing import Any

import pytest

from django_visualsnoop.engine.models import NotDuplicate
from tests.server.content.grouping import apart, grouped
from tests.server.hosting import Tenant, call
from tests.server.v2 import ask, put


@pytest.mark.django_db
def test_no_duplicates_are_remembered_as_long_as_the_files_are_the_same(ann: Tenant) -> None:
    for name in "abc":
        put(ann, name, 1)
    assert apart(ann, "b", "a") == 201
    assert apart(ann, "a", "b") == 200
    pairs = [{"first_id": "a", "second_id": "b"}]
    assert ask(ann, "GET", "/not-duplicates").body == {"pairs": pairs}
    # No group has both: the chain over c is cut.
    (group,) = grouped(ann)
    assert len(group) == 2
    assert group != ["a", "b"]
    put(ann, "a", 1)
    assert grouped(ann) == [group]
    put(ann, "a", 2)
    assert ask(ann, "GET", "/not-duplicates").body == {"pairs": []}
    assert apart(ann, "a", "b") == 200  # the void mark becomes that of the new file
    assert ask(ann, "GET", "/not-duplicates").body == {"pairs": pairs}
    put(ann, "a", 1)
    assert apart(ann, "a", "b") == 200
    assert grouped(ann) == [group]
    query: dict[str, Any] = {"first_id": "b", "second_id": "a"}
    assert ask(ann, "DELETE", "/not-duplicates", **query).status == 204
    assert ask(ann, "DELETE", "/not-duplicates", **query).status == 404
    assert grouped(ann) == [["a", "b", "c"]]


@pytest.mark.django_db
def test_a_deleted_image_takes_its_pairs_along(ann: Tenant) -> None:
    for name in "abc":
        put(ann, name, 1)
    assert [apart(ann, "a", "b"), apart(ann, "b", "c"), apart(ann, "a", "c")] == [201] * 3
    assert grouped(ann) == []
    call(ann, "DELETE", "/image/b")
    assert NotDuplicate.objects.count() == 1
    for pair, status in ((("a", "b"), 404), (("a", "a"), 400), (("", "a"), 400)):
        assert apart(ann, *pair) == status
