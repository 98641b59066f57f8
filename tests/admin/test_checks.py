"""Options of the admin that cannot work."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin

from django_visualsnoop.admin import VisualSnoopAdminMixin
from tests.testapp.models import Article


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
