from __future__ import annotations

from contextlib import suppress

from django.apps import AppConfig


class EngineConfig(AppConfig):
    name = "django_visualsnoop.engine"
    label = "visualsnoop_engine"
    verbose_name = "VisualSnoop engine"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Pillow's modules import each other. If two threads of a new process begin to import them
        # at the same moment, with their first pictures, one may see half a module and fail.
        with suppress(ImportError):  # a check says what to install
            from PIL import Image, ImageFile  # noqa: F401
