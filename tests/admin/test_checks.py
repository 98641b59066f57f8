"""Options of the admin that cannot work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.core.files.storage import FileSystemStorage, default_storage

from django_visualsnoop.admin import VisualSnoopAdminMixin
from tests.testapp.models import Article

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"visualsnoop_keep_rule": ["newest"]}, "'newest', which does not exist."),
        ({"visualsnoop_date_field": "made"}, "'made', which testapp.Article does not have."),
        ({"visualsnoop_date_field": "title"}, "'title', which is not a date."),
        ({"visualsnoop_review_fields": ["colour"]}, "'colour', which does not exist."),
    ],
)
def test_e022(options: dict[str, Any], text: str) -> None:
    made = type("ArticleAdmin", (VisualSnoopAdminMixin, admin.ModelAdmin), options)
    (error,) = made(Article, admin.site).check()
    assert error.id == "visualsnoop.E022"
    assert error.msg.endswith(text)
    assert error.hint


def test_options_that_work() -> None:
    options = {
        "visualsnoop_keep_rule": ["age", lambda candidate: candidate.key],
        "visualsnoop_review_fields": ["title", "__str__"],
    }
    made = type("ArticleAdmin", (VisualSnoopAdminMixin, admin.ModelAdmin), options)
    assert made(Article, admin.site).check() == []


class PrivateStorage(FileSystemStorage):
    def url(self, name: str | None) -> str:
        return f"/private/{name}"


def warned(settings: Settings, storage: Any) -> list[str]:
    settings.MEDIA_URL = ""
    field: Any = Article._meta.get_field("cover")
    before, field.storage = field.storage, storage
    try:
        made = type("ArticleAdmin", (VisualSnoopAdminMixin, admin.ModelAdmin), {})
        found = made(Article, admin.site).check()
        return [one.msg for one in found if one.id == "visualsnoop.W025"]
    finally:
        field.storage = before


@pytest.mark.parametrize("storage", [default_storage, FileSystemStorage()])
def test_w025(settings: Settings, storage: Any) -> None:
    cover, thumbnail = warned(settings, storage)
    assert cover == (
        "MEDIA_URL is empty, so the admin cannot show the pictures of testapp.Article.cover."
    )
    assert "Article.thumbnail" in thumbnail


@pytest.mark.parametrize("storage", [PrivateStorage(), FileSystemStorage(base_url="/files/")])
def test_a_storage_with_urls_of_its_own(settings: Settings, storage: Any) -> None:
    (thumbnail,) = warned(settings, storage)
    assert "Article.thumbnail" in thumbnail
