"""How a process reads a collection's rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.client.exceptions import NotFoundError
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.models import Collection, IndexedImage
from tests.collections.contract import image
from tests.engine.replica.searching import committing, search

if TYPE_CHECKING:
    from django_visualsnoop.collections.local import LocalCollection


@committing
def test_what_is_new_is_read_by_its_number(collection: LocalCollection) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the others choose by what they counted")
    list(collection.add_images((str(number), image(1)) for number in range(3)))
    search(collection, 1)
    collection.add_image(image(2), "new")
    with CaptureQueriesContext(connection) as captured:
        search(collection, 1)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured[1]['sql']}")
        plan = [row[-1] for row in cursor.fetchall()]
    assert [step[step.find("(") :] for step in plan if "SEARCH" in step] == [
        "(collection_id=? AND seq=?)",
        "(collection_id=? AND seq>?)",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("inside", [False, True])
def test_rows_of_another_version_are_reported_and_come_back_by_adding_again(
    collection: LocalCollection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    inside: bool,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(describe, "DESCRIPTION_VERSION", describe.DESCRIPTION_VERSION + 1)
        collection.add_image(image(1), "a")
    collection.add_image(image(1), "b")
    if not inside:
        IndexedImage.objects.update(seq=1)
        Collection.objects.update(seq=1)
    with caplog.at_level(logging.WARNING):
        assert search(collection, 1) == ["b"]
        assert search(collection, 1) == ["b"]
    assert len(caplog.records) == (0 if inside else 1)
    assert inside or "visualsnoop_reindex" in caplog.text
    with pytest.raises(NotFoundError, match="Add it again"):
        collection.search_images_by_id("a")
    assert collection.get_image("a").image_id == "a"
    collection.add_image(image(1), "a", update_existing=True)
    assert search(collection, 1) == ["a", "b"]


@committing
def test_a_broken_row_is_passed_over_and_logged_once(
    collection: LocalCollection, caplog: pytest.LogCaptureFixture
) -> None:
    for image_id in ("a", "b"):
        collection.add_image(image(1), image_id)
    IndexedImage.objects.filter(image_id="a").update(vector=b"short")
    with caplog.at_level(logging.WARNING):
        assert search(collection, 1) == ["b"]
        assert search(collection, 1) == ["b"]
    assert len(caplog.records) == 1
    assert "1 broken" in caplog.text
