from __future__ import annotations

from django.apps import AppConfig


class VisualSnoopConfig(AppConfig):
    name = "django_visualsnoop"
    label = "visualsnoop"
    verbose_name = "VisualSnoop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_visualsnoop import checks, handlers

        handlers.connect_all()
        checks.register_all()
