"""Groups of copies, and pairs marked as not duplicates, through API v2."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from django_visualsnoop.engine.pairs import PairFinder
from django_visualsnoop.server.content import groups
from tests.collections.contract import image
from tests.server.content.grouping import grouped
from tests.server.hosting import Tenant, call, tenant
from tests.server.v2 import ask, put

if TYPE_CHECKING:
    from collections.abc import Collection


@pytest.mark.django_db
def test_groups(ann: Tenant) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 1), ("x", 2), ("y", 2), ("z", 3)):
        put(ann, name, seed)
    put(tenant("Bob's", "bob@example.com"), "d", 1)
    assert grouped(ann) == [["a", "b", "c"], ["x", "y"]]
    assert grouped(ann, limit=1, offset=1) == [["x", "y"]]
    assert grouped(ann, image_id="y") == [["x", "y"]]
    assert grouped(ann, image_id="z") == []
    assert grouped(ann, min_similarity=1) == []
    assert ask(ann, "GET", "/groups", image_id="d").status == 404


@pytest.mark.django_db
def test_too_many_for_one_request(ann: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    put(ann, "a", 1)
    monkeypatch.setattr(groups, "MAX_IMAGES", 0)
    reply = ask(ann, "GET", "/groups")
    assert reply.status == 400
    assert "image_id" in reply.detail
    assert ask(ann, "GET", "/groups", image_id="a").body == {"groups": [], "complete": True}
    assert call(ann, "POST", "/search", image(1)).status == 200


@pytest.mark.django_db
def test_a_request_compares_so_much_and_says_so(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        put(ann, name, 1)
    put(ann, "d", 2)
    assert ask(ann, "GET", "/groups").body["complete"] is True
    monkeypatch.setattr(groups, "MAX_COMPARISONS", 0)
    nothing = {"groups": [], "complete": False}
    assert ask(ann, "GET", "/groups").body == nothing
    assert ask(ann, "GET", "/groups", image_id="a").body == nothing
    monkeypatch.setattr(groups, "MAX_COMPARISONS", 10_000)
    monkeypatch.setattr(groups, "MAX_SEARCHES", 1)
    body = ask(ann, "GET", "/groups", image_id="a").body
    assert [member["id"] for member in body["groups"][0]["members"]] == ["a", "b", "c"]
    assert body["complete"] is False


@pytest.mark.django_db
def test_a_large_group_is_found_by_some_of_its_images(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.open(io.BytesIO(image(1))).convert("RGB")
    names = [f"{number:02}" for number in range(60)]
    for number, name in enumerate(names):
        content = io.BytesIO()
        picture.resize((picture.width - number % 7, picture.height)).save(
            content, "JPEG", quality=60 + number % 35
        )
        assert call(ann, "PUT", f"/image/{name}", content.getvalue()).status == 201
    monkeypatch.setattr(groups, "MAX_SEARCHES", 5)
    searched: list[str] = []

    def counted(finder: PairFinder, image_ids: Collection[str], **options: Any) -> Any:
        searched.extend(image_ids)
        return touching(finder, image_ids, **options)

    touching = PairFinder.find_touching
    monkeypatch.setattr(PairFinder, "find_touching", counted)
    body = ask(ann, "GET", "/groups", image_id="00").body
    assert len(searched) == 5
    assert sorted(member["id"] for member in body["groups"][0]["members"]) == names
    assert body["complete"] is False
