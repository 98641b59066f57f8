"""What other apps do after our ``ready()``, and a project that has not installed us."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.backends.signals import connection_created
from django.db.models.fields.files import ImageFileDescriptor
from django.test.utils import isolate_apps

from django_visualsnoop.apps import _UID, follow_late_changes
from django_visualsnoop.indexed import tracking
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.models import VisualSnoopMixin
from django_visualsnoop.outbox import handlers
from tests.testapp.models import Product


def assigned(row: Any, name: str = "photo") -> list[str]:
    """Return the fields that a save would follow after an assignment to a loaded row."""
    row._state.adding = False
    setattr(row, name, "other.png")
    return [field.name for field in tracking.dirty_fields(row, None, adding=False)]


class Remembering(ImageFileDescriptor):
    """Another app's descriptor, which takes more than the field."""

    def __init__(self, field: Any, languages: tuple[str, ...]) -> None:
        super().__init__(field)
        self.languages = languages


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Product, "photo", Remembering(Product.photo.field, ("de",)))


@pytest.mark.usefixtures("replaced")
def test_a_descriptor_that_was_replaced_late_is_followed_at_the_first_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection_created.connect(follow_late_changes, dispatch_uid=_UID)
    monkeypatch.setattr(apps, "ready", False)
    connection_created.send(type(None), connection=None)
    assert assigned(Product()) == []  # others are not ready yet
    monkeypatch.setattr(apps, "ready", True)
    connection_created.send(type(None), connection=None)
    assert assigned(Product()) == ["photo"]
    assert isinstance(Product.photo, Remembering)
    assert Product.photo.languages == ("de",)
    assert not connection_created.disconnect(dispatch_uid=_UID)  # once is enough


@isolate_apps("tests.testapp")
def test_a_field_that_is_added_late_is_followed() -> None:
    class Late(VisualSnoopMixin, models.Model):
        photo = models.ImageField()

        class Meta:
            app_label = "testapp"

    handlers.connect(Late)
    assert [field.name for field in indexed_fields(Late)] == ["photo"]
    Late.add_to_class("photo_de", models.ImageField(default=""))
    assert [field.name for field in indexed_fields(Late)] == ["photo", "photo_de"]
    assert assigned(Late(), "photo_de") == ["photo_de"]
