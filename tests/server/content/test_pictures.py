"""Files of kept pictures: there with their images, and gone with them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from PIL import Image

from django_visualsnoop.engine.models import IndexedImage, key_of
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import Retention, StoredPicture
from tests.collections.contract import image
from tests.server.hosting import Tenant, call, tenant
from tests.server.retained import files, rows
from tests.server.v2 import ask

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


def kept(whose: Tenant, image_id: str, kind: str) -> bytes | None:
    found = pictures.get_newest(whose.collection, image_id, kind)
    if found is None:
        return None
    with pictures.get_storage().open(found.name) as file:
        content: bytes = file.read()
    return content


@pytest.mark.parametrize(
    ("retention", "kinds"),
    [
        (Retention.NOTHING, set()),
        (Retention.THUMBNAILS, {"thumbnail"}),
        (Retention.ORIGINALS, {"thumbnail", "original"}),
    ],
)
def test_what_was_asked_for_is_kept_and_no_more(
    ann: Tenant, folder: Path, retention: Retention, kinds: set[str]
) -> None:
    ann.limit(retention=retention)
    assert call(ann, "POST", "/image/a", image(1)).status == 201
    assert call(ann, "PUT", "/image/b", image(2)).status == 201
    assert set(StoredPicture.objects.values_list("key", "kind")) == {
        (key_of(image_id), kind) for image_id in "ab" for kind in kinds
    }
    assert files(folder) == rows()
    if retention == Retention.ORIGINALS:
        assert kept(ann, "a", "original") == image(1)
    for image_id in "ab":
        assert call(ann, "DELETE", f"/image/{image_id}").status == 200
    assert files(folder) == rows() == set()


def test_a_small_picture_is_small_upright_and_says_nothing_else(ann: Tenant) -> None:
    ann.limit(retention=Retention.THUMBNAILS)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    exif[0x010E] = "where it was taken"
    written = io.BytesIO()
    Image.open(io.BytesIO(image(1))).resize((800, 600)).save(written, "JPEG", exif=exif)
    assert call(ann, "POST", "/image/a", written.getvalue()).status == 201
    content = kept(ann, "a", "thumbnail")
    assert content is not None
    assert b"taken" not in content
    small = Image.open(io.BytesIO(content))
    assert (small.format, small.size) == ("JPEG", (240, 320))
    assert not small.getexif()


def test_a_replaced_image_has_the_new_picture_only(ann: Tenant, folder: Path) -> None:
    ann.limit(retention=Retention.ORIGINALS)
    for number in (1, 2):
        call(ann, "PUT", "/image/a", image(number))
    assert kept(ann, "a", "original") == image(2)
    assert files(folder) == rows()
    assert len(rows()) == 2
    ann.limit(retention=Retention.NOTHING)
    call(ann, "PUT", "/image/a", image(3))
    assert files(folder) == rows() == set()


def test_an_import_leaves_no_picture_of_what_it_replaces(ann: Tenant, folder: Path) -> None:
    bob = tenant("Bob's", "bob@example.com")
    bob.limit(retention=Retention.NOTHING)
    for whose, number in ((ann, 1), (bob, 2)):
        call(whose, "PUT", "/image/one", image(number))
    assert len(files(folder)) == 1
    exported = ask(bob, "GET", "/export").content
    assert ask(ann, "POST", "/import", exported, replace="true").body["replaced"] == 1
    assert files(folder) == rows() == set()


def test_what_fails_or_is_refused_leaves_no_file(
    ann: Tenant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.limit(retention=Retention.ORIGINALS)
    call(ann, "POST", "/image/a", image(1))
    before = files(folder)
    assert call(ann, "POST", "/image/a", image(2)).status == 409
    ann.limit(max_images=1)
    assert call(ann, "PUT", "/image/b", image(2)).status == 429
    assert call(ann, "POST", "/image/b", b"none").status == 415

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(StoredPicture.objects.all().__class__, "bulk_create", fails)
    assert call(ann, "PUT", "/image/a", image(3)).status == 500
    assert files(folder) == before == rows()
    assert kept(ann, "a", "original") == image(1)


def test_rolled_back_a_deletion_takes_no_file(ann: Tenant, folder: Path) -> None:
    ann.limit(retention=Retention.THUMBNAILS)
    call(ann, "POST", "/image/a", image(1))
    before = files(folder)
    with transaction.atomic():
        HostedImages(ann.collection).delete("a")
        transaction.set_rollback(True)
    assert files(folder) == before == rows()


def test_the_sweep_finds_what_came_too_late(ann: Tenant, folder: Path) -> None:
    ann.limit(retention=Retention.ORIGINALS)
    for image_id, number in (("a", 1), ("b", 2)):
        call(ann, "POST", f"/image/{image_id}", image(number))
    assert pictures.sweep_files() == 0
    ann.limit(retention=Retention.THUMBNAILS)
    IndexedImage.objects.filter(image_id="b").update(deleted=1)
    assert pictures.sweep_files() == 3
    assert set(StoredPicture.objects.values_list("key", "kind")) == {(key_of("a"), "thumbnail")}
    assert files(folder) == rows()


def test_a_storage_that_does_not_delete_is_only_logged(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann.limit(retention=Retention.THUMBNAILS)
    call(ann, "POST", "/image/a", image(1))
    (name,) = rows()
    monkeypatch.setattr(type(pictures.get_storage()), "delete", lambda self, name: 1 / 0)
    assert call(ann, "DELETE", "/image/a").status == 200
    assert f"Could not delete the file {name} now" in caplog.text
    assert not rows()
