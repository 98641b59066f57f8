"""Helpers of the tests of system checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from django_visualsnoop.models import VisualSnoopMixin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.checks import CheckMessage


def ids(messages: Iterable[CheckMessage]) -> list[str]:
    """Return the ids, having looked that every message says what to type."""
    messages = list(messages)
    assert all(message.hint for message in messages)
    return [str(message.id) for message in messages if str(message.id).startswith("visualsnoop")]


def only(messages: Iterable[CheckMessage], check_id: str) -> CheckMessage:
    messages = list(messages)
    assert ids(messages) == [check_id]
    return messages[0]


def indexed(options: dict[str, Any] | None = None, **attributes: Any) -> type[VisualSnoopMixin]:
    """Return a model with a photo, made in an isolated registry."""
    body: dict[str, Any] = {
        "__module__": "tests.testapp.models",
        "photo": models.ImageField(),
        "name": models.CharField(max_length=10),
        **attributes,
    }
    if options is not None:
        body["VisualSnoop"] = type("VisualSnoop", (), options)
    return type("Thing", (VisualSnoopMixin, models.Model), body)


class Elsewhere:
    """A database router that keeps everything away from ``other``."""

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool:
        return db != "other"
