"""Describing images again from their originals, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.content.redescribe import redescribe_collection
from django_visualsnoop.server.models import Retention, StoredPicture
from tests.collections.contract import image
from tests.server.hosting import Tenant, call

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


@pytest.fixture
def outdated(ann: Tenant) -> Tenant:
    """Two images that an older version described, with their originals."""
    ann.limit(retention=Retention.ORIGINALS)
    for name in ("a", "b"):
        call(ann, "PUT", f"/image/{name}", image(1))
    IndexedImage.objects.update(version=1, vector=b"of old", seq=None)
    return ann


def redescribe(whose: Tenant) -> dict[str, str]:
    return dict(redescribe_collection(whose.collection))


def test_what_is_described_anew_is_found_and_done_with(outdated: Tenant) -> None:
    assert redescribe(outdated) == {"a": "", "b": ""}
    assert call(outdated, "GET", "/search/a").body["results"][0]["id"] == "b"
    assert redescribe(outdated) == {}


def test_without_an_original_an_image_is_left_and_named(outdated: Tenant, folder: Path) -> None:
    name = StoredPicture.objects.get(
        kind="original", key=IndexedImage.objects.get(image_id="a").key
    ).name
    (folder / name).unlink()
    pictures.delete_pictures(pictures.get_pictures(outdated.collection, "b"))
    found = redescribe(outdated)
    assert found["b"] == "no original is retained"
    assert "No such file" in found["a"]


def test_an_original_that_is_no_picture_any_more_stops_no_other(
    outdated: Tenant, folder: Path
) -> None:
    key = IndexedImage.objects.get(image_id="a").key
    (folder / StoredPicture.objects.get(kind="original", key=key).name).write_bytes(b"damaged")
    found = redescribe(outdated)
    assert found["b"] == ""
    assert "Supported formats" in found["a"]


def test_one_that_is_replaced_meanwhile_keeps_its_new_picture(
    outdated: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = pictures.get_newest

    def late(*args: object) -> StoredPicture | None:
        found = original(*args)  # type: ignore[arg-type]
        if args[1] == "a":
            IndexedImage.objects.filter(image_id="a").update(digest="of another file")
        return found

    monkeypatch.setattr(pictures, "get_newest", late)
    assert redescribe(outdated) == {"a": "it was replaced meanwhile", "b": ""}
    assert IndexedImage.objects.get(image_id="a").version == 1
