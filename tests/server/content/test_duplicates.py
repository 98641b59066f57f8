from __future__ import annotations

import pytest

from django_visualsnoop.server.content import duplicates, not_duplicates
from django_visualsnoop.server.content.images import HostedImages
from tests.collections.contract import image
from tests.server.hosting import Tenant, call

pytestmark = pytest.mark.django_db(transaction=True)


def found(whose: Tenant, count: int = 0) -> list[list[str]]:
    groups, complete = duplicates.find_duplicates(HostedImages(whose.collection), count)
    assert complete
    assert all(0.5 < member.similarity <= 1 for group in groups for member in group)
    return [[member.image_id for member in group] for group in groups]


def test_groups_follow_every_change(ann: Tenant) -> None:
    assert found(ann) == []
    for image_id, number in (("a", 1), ("b", 2), ("c", 1), ("d", 3)):
        call(ann, "PUT", f"/image/{image_id}", image(number))
    assert found(ann) == [["a", "c"]]
    call(ann, "PUT", "/image/d", image(2))
    assert sorted(found(ann)) == [["a", "c"], ["b", "d"]]
    call(ann, "DELETE", "/image/a")
    assert found(ann) == [["b", "d"]]


def test_what_was_called_no_duplicate_is_in_no_group(ann: Tenant) -> None:
    for image_id in ("a", "b"):
        call(ann, "PUT", f"/image/{image_id}", image(1))
    assert found(ann) == [["a", "b"]]
    images = HostedImages(ann.collection)
    pair = not_duplicates.make_pair("a", "b")
    not_duplicates.mark_pair(images, pair)
    assert found(ann) == []
    not_duplicates.unmark_pair(images, pair)
    assert found(ann) == [["a", "b"]]


def test_of_a_large_collection_the_newest_are_compared(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "NEWEST", 1)
    for image_id, number in (("a", 1), ("b", 1), ("c", 2), ("d", 2)):
        call(ann, "PUT", f"/image/{image_id}", image(number))
    assert found(ann, duplicates.MAX_COMPARED + 1) == [["c", "d"]]
