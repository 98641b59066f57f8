from __future__ import annotations

from urllib.parse import unquote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import Retention, StoredPicture
from django_visualsnoop.server.pages import images as images_page
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add, upload, url

pytestmark = pytest.mark.django_db


def ids(hosted: object) -> list[str]:
    page = HostedImages(hosted).store.read_page(None, 100)  # type: ignore[arg-type]
    return [one.image_id for one in page.images]


def test_some_are_added_and_others_say_why_not(ann: Person) -> None:
    hosted = ann.collection(max_images=2)
    add(hosted, "there.png", image(1))
    files = [upload(1, "there.png"), upload(2, "new.png"), upload(3, "one too many.png")]
    answer = ann.post("images", hosted.pk, pictures=files)
    assert answer.status_code == 400
    assert ids(hosted) == ["new.png", "there.png"]
    told = answer.text
    assert "1 picture added." in told
    assert "<strong>there.png</strong>: An image with this name exists already." in told
    assert "<strong>one too many.png</strong>: The collection is full" in told
    assert "Choose pictures." in ann.post("images", hosted.pk).text


@pytest.mark.parametrize("image_id", ["a", "a/b?c#d%2F", "ü" * 100, "<b>&amp;", "\n", "a\u202eb"])
def test_any_id_has_a_page(ann: Person, image_id: str) -> None:
    hosted = ann.collection(retention=Retention.ORIGINALS)
    add(hosted, image_id, image(1))
    add(hosted, "other", image(1))
    listed = ann.get("images", hosted.pk).text
    page = url("image", hosted.pk, image_id)
    assert page in listed
    assert "<b>" not in listed
    assert url("image", hosted.pk, "other") in ann.client.get(page).text
    saved = ann.get("original", hosted.pk, image_id)
    assert saved.sent == image(1)
    disposition = unquote(saved.headers["Content-Disposition"])
    assert disposition.startswith("attachment")
    assert "\n" not in disposition
    assert ann.post("delete_image", hosted.pk, image_id).status_code == 302
    assert ids(hosted) == ["other"]
    for path in (page, url("original", hosted.pk, image_id)):
        assert ann.client.get(path).status_code == 404


def test_ids_that_cannot_be(ann: Person) -> None:
    hosted = ann.collection()
    for text in ("Li4", "_w", "A", "AA"):  # "..", no UTF-8, no base64, NUL
        path = url("image", hosted.pk, "x").replace("/eA/", f"/{text}/")
        assert ann.client.get(path).status_code == 404
        assert ann.client.get(url("images", hosted.pk), {"from": text}).status_code == 404


def test_pictures_are_private_and_safe(ann: Person) -> None:
    hosted = ann.collection(retention=Retention.ORIGINALS)
    add(hosted, "one", image(1))
    for kind, content_type in (("thumbnail", "image/jpeg"), ("original", "image/png")):
        answer = ann.get(kind, hosted.pk, "one")
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        again = ann.client.get(
            url(kind, hosted.pk, "one"), headers={"If-None-Match": answer.headers["ETag"]}
        )
        assert (again.status_code, again.content) == (304, b"")


def test_a_file_that_is_lost_is_no_error(ann: Person) -> None:
    hosted = ann.collection(retention=Retention.THUMBNAILS)
    add(hosted, "one", image(1))
    StoredPicture.objects.update(name="visualsnoop/lost")
    assert ann.get("thumbnail", hosted.pk, "one").status_code == 404
    assert ann.get("images", hosted.pk).status_code == 200


def test_pages_of_images(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_page, "PAGE_SIZE", 2)
    hosted = ann.collection()
    for number in (1, 2, 3):
        add(hosted, f"image-{number}", image(number))
    first = ann.get("images", hosted.pk).text
    assert "image-1" not in first
    older = ann.get("images", hosted.pk, **{"from": "aW1hZ2UtMQ"}).text
    assert "?from=aW1hZ2UtMQ" in first
    assert "image-1" in older
    assert "image-3" not in older


def test_an_image_of_another_version_is_shown(ann: Person) -> None:
    hosted = ann.collection()
    add(hosted, "one", image(1))
    IndexedImage.objects.update(version=1, seq=None)
    assert "described by another version. Add it again" in ann.get("image", hosted.pk, "one").text


@pytest.mark.parametrize("name", ["search", "images", "duplicates", "image"])
def test_more_images_cost_no_more_queries(ann: Person, name: str) -> None:
    hosted = ann.collection(retention=Retention.THUMBNAILS)

    def queries() -> int:
        for number in (1, 1, 2, 2):
            add(hosted, f"{len(ids(hosted))}", image(number))
        arguments = [hosted.pk, "0"] if name == "image" else [hosted.pk]
        ann.get(name, *arguments)  # what is remembered until the next change is known now
        with CaptureQueriesContext(connection) as captured:
            assert ann.get(name, *arguments).status_code == 200
        return len(captured)

    assert queries() == queries()
