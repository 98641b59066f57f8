"""Changes, as API v2 tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.server.content import changes
from tests.server.v2 import ask, put

if TYPE_CHECKING:
    from django_visualsnoop.server.content.changes import ChangesPage
    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_image_is_told_as_it_is_and_a_deleted_one_by_its_id(ann: Tenant) -> None:
    put(ann, "a", 1, sku=5)
    put(ann, "b", 1)
    ask(ann, "DELETE", "/images/b")
    found = {one["id"]: one for one in ask(ann, "GET", "/changes").body["changes"]}
    assert found["a"] == {"id": "a", "kind": "image", "image": ask(ann, "GET", "/images/a").body}
    cursor = ask(ann, "GET", "/changes").body["cursor"]
    ask(ann, "DELETE", "/images/a")
    assert ask(ann, "GET", "/changes", cursor=cursor).body["changes"] == [
        {"id": "a", "kind": "deleted", "image": None}
    ]


def test_one_that_is_deleted_while_it_is_read_is_told_later(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept", "gone"):
        put(ann, name, 1)
    list_changes = changes.list_changes

    def late(*args: object) -> ChangesPage:
        page = list_changes(*args)  # type: ignore[arg-type]
        ask(ann, "DELETE", "/images/gone")
        return page

    with monkeypatch.context() as patched:
        patched.setattr(changes, "list_changes", late)
        page = ask(ann, "GET", "/changes").body
    assert [one["id"] for one in page["changes"]] == ["kept"]
    following = ask(ann, "GET", "/changes", cursor=page["cursor"]).body["changes"]
    assert [(one["id"], one["kind"]) for one in following] == [("gone", "deleted")]
