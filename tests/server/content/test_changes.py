"""The cursor of changes: none that was committed is missed."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections, transaction

from django_visualsnoop.engine.models import Collection, IndexedImage
from django_visualsnoop.engine.storage import publish
from django_visualsnoop.server.content.images import HostedImages
from tests.collections.contract import image
from tests.server.hosting import Tenant, call, tenant
from tests.server.v2 import ask, put

pytestmark = pytest.mark.django_db(transaction=True)


def walk(whose: Tenant, cursor: str | None = None, limit: int = 100) -> tuple[list[str], str]:
    """Return what changed, deleted ones with a minus before, and the last cursor."""
    seen = []
    while True:
        query: dict[str, Any] = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = ask(whose, "GET", "/changes", **query)
        assert page.status == 200, page.content
        for change in page.body["changes"]:
            assert (change["image"] is None) == (change["kind"] == "deleted")
            seen.append(f"{'-' if change['kind'] == 'deleted' else ''}{change['id']}")
        cursor = page.body["cursor"]
        if not page.body["more"]:
            return seen, str(cursor)


def test_each_change_is_told_once_as_it_is_now(ann: Tenant) -> None:
    start = ask(ann, "GET", "/collection").body["cursor"]
    for name in "abcd":
        put(ann, name, 1)
    call(ann, "DELETE", "/image/b")
    seen, cursor = walk(ann, limit=1)
    assert sorted(seen) == ["-b", "a", "c", "d"]
    assert sorted(walk(ann, start)[0]) == ["-b", "a", "c", "d"]
    assert walk(ann, cursor) == ([], cursor)
    ask(ann, "PUT", "/metadata/a", data={"x": 1})
    put(ann, "c", 2)
    put(ann, "d", 2)
    call(ann, "DELETE", "/image/d")
    assert sorted(walk(ann, cursor)[0]) == ["-d", "a", "c"]
    (change,) = (
        change
        for change in ask(ann, "GET", "/changes", cursor=cursor).body["changes"]
        if change["id"] == "a"
    )
    assert change["image"]["metadata"] == {"x": 1}


def test_what_commits_late_is_not_missed(ann: Tenant) -> None:
    """The writer of a lower key may commit after a reader has read past it."""
    if connections["default"].vendor == "sqlite":
        pytest.skip("here one writes at a time")
    wrote, may_commit = threading.Event(), threading.Event()

    def late() -> None:
        images = HostedImages(ann.collection)
        with transaction.atomic():
            images.put(images.describe(image(1), "late"))
            wrote.set()
            may_commit.wait(60)
        connections.close_all()

    writer = threading.Thread(target=late)
    writer.start()
    assert wrote.wait(60)
    put(ann, "early", 1)
    seen, cursor = walk(ann)
    assert seen == ["early"]
    may_commit.set()
    writer.join()
    assert walk(ann, cursor)[0] == ["late"]


def test_rows_that_nobody_has_numbered_are(ann: Tenant) -> None:
    put(ann, "a", 1)
    _, cursor = walk(ann)
    IndexedImage.objects.update(seq=None)
    assert walk(ann, cursor)[0] == ["a"]


@pytest.fixture
def forgotten(ann: Tenant) -> str:
    """A cursor before a deletion that is forgotten."""
    put(ann, "a", 1)
    _, cursor = walk(ann)
    call(ann, "DELETE", "/image/a")
    row = Collection.objects.get(name=ann.collection.gallery_name)
    for _ in range(2):
        publish.purge("default", row.pk, older_than_seconds=-1)
    assert not IndexedImage.objects.exists()
    return cursor


def test_a_cursor_that_is_too_old_is_refused(ann: Tenant, forgotten: str) -> None:
    reply = ask(ann, "GET", "/changes", cursor=forgotten)
    assert reply.status == 410
    assert "without a cursor" in reply.detail
    # Who begins anew needs none of what is forgotten, however slow the walk is.
    for name in "bcd":
        put(ann, name, 1)
    first = ask(ann, "GET", "/changes", limit=1).body
    assert first["more"]
    put(ann, "e", 1)
    assert sorted(walk(ann, first["cursor"], limit=1)[0]) == ["c", "d", "e"]


def test_cursors_that_are_none(ann: Tenant) -> None:
    put(ann, "a", 1)
    bob = tenant("Bob's", "bob@example.com")
    _, cursor = walk(ann)
    name, began, after = cursor.split(".")
    for given, status in (
        ("x", 400),
        (f"{cursor}.1", 400),
        (f"{name}.{began}.-1", 400),
        (f"{name}.{began}.{'9' * 19}", 400),
        (f"{name}.{began}.{int(after) + 1}", 410),  # of a backup that is gone
        (f"{'0' * 8}.0.0", 410),
    ):
        assert ask(ann, "GET", "/changes", cursor=given).status == status, given
    assert ask(bob, "GET", "/changes", cursor=cursor).status == 410
    assert call(ann, "POST", "/search", image(1)).status == 200
