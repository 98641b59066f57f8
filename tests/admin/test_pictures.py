"""Facts about one file, whatever is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile

from django_visualsnoop.admin.pictures import field_to_show, look_at
from tests.collections.contract import image
from tests.fixtures import picture, product
from tests.testapp.models import Article, Product

if TYPE_CHECKING:
    from django.core.files.storage import Storage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]


def url(row: Any, field: str) -> str:
    address: str = getattr(row, field).url
    return address


def test_a_picture_and_its_facts() -> None:
    row = Product.objects.get(pk=product(1).pk)
    found = look_at(row, "photo", url)
    assert (found.width, found.height) == (256, 192)
    assert found.size == len(image(1))
    assert found.url == row.photo.url
    assert found.problem == ""


def test_a_missing_file() -> None:
    row = product(1)
    storage: Storage = row.photo.storage
    storage.delete(str(row.photo.name))
    found = look_at(Product.objects.get(pk=row.pk), "photo", url)
    assert found.problem == "The file is not in the storage."
    assert found.url == ""
    assert found.size is None


@pytest.mark.parametrize("content", [b"no picture", b"", image(1)[:20]])
def test_a_broken_file(content: bytes) -> None:
    row = Product.objects.create(photo=ContentFile(content, "broken.png"))
    found = look_at(Product.objects.get(pk=row.pk), "photo", url)
    assert found.problem == "The file is not a readable picture."
    assert found.url == ""
    assert found.size == len(content)


def test_a_storage_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    row = product(1)

    def down(name: str) -> int:
        raise RuntimeError("bucket is on strike")

    monkeypatch.setattr(row.photo.storage, "size", down)
    found = look_at(Product.objects.get(pk=row.pk), "photo", url)
    assert found.problem == "RuntimeError: bucket is on strike"


def test_a_storage_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    row = product(1)

    def down(name: str) -> int:
        raise ConnectionError("HTTPConnectionPool(host='bucket', port=80): Max retries exceeded")

    monkeypatch.setattr(row.photo.storage, "size", down)
    found = look_at(Product.objects.get(pk=row.pk), "photo", url)
    assert found.problem == "A required service is not responding. Try again later."


def test_no_file() -> None:
    assert look_at(Product(), "photo", url).problem == "There is no picture."


def test_the_models_own_width_and_height_spare_reading_the_file() -> None:
    row = Article.objects.create(thumbnail=picture(1))
    Article.objects.filter(pk=row.pk).update(width=30, height=20)
    found = look_at(Article.objects.get(pk=row.pk), "thumbnail", url)
    assert (found.width, found.height) == (30, 20)


def test_which_field_is_shown() -> None:
    assert field_to_show(Article()) == "cover"
    assert field_to_show(Article(thumbnail="a.png", width=1, height=1)) == "thumbnail"
    both = Article(cover="a.png", thumbnail="b.png", width=1, height=1)
    assert field_to_show(both) == "cover"
    assert field_to_show(both, "thumbnail") == "thumbnail"
    assert field_to_show(Article(cover="a.png"), "thumbnail") == "cover"
