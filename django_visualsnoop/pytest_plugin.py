"""Fixtures for the tests of projects, with pytest-django.

pytest loads this module in every run, by its entry point, so it imports nothing of Django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.files.base import ContentFile
    from django.core.files.storage import Storage
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection


@pytest.fixture
def visualsnoop_media(settings: Settings) -> Storage:
    """Uploaded files stay in memory; this is the default storage, empty at first."""
    from django.core.files.storage import default_storage

    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": memory}
    return default_storage


@pytest.fixture
def visualsnoop_recorder(settings: Settings) -> Iterator[RecorderCollection]:
    """All collections are ``RecorderCollection``, empty at first; this is ``default``."""
    from django_visualsnoop.collections import collections

    recorder = {"BACKEND": "django_visualsnoop.testing.RecorderCollection"}
    aliases = {"default", *getattr(settings, "VISUALSNOOP", {})}
    settings.VISUALSNOOP = dict.fromkeys(aliases, recorder)
    found = {alias: cast("RecorderCollection", collections[alias]) for alias in aliases}
    for collection in found.values():
        collection.clear()
    yield found["default"]
    for collection in found.values():
        collection.clear()


@pytest.fixture
def visualsnoop_picture() -> Callable[..., ContentFile[bytes]]:
    """A function that draws a PNG to save in an image field: another one for each number."""
    from django.core.files.base import ContentFile

    from django_visualsnoop.testing.drawing import draw_picture

    def draw(number: int = 1, name: str = "") -> ContentFile[bytes]:
        return ContentFile(draw_picture(number), name or f"picture{number}.png")

    return draw
