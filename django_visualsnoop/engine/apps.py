from __future__ import annotations

from django.apps import AppConfig


class EngineConfig(AppConfig):
    name = "django_visualsnoop.engine"
    label = "visualsnoop_engine"
    verbose_name = "VisualSnoop engine"
    default_auto_field = "django.db.models.BigAutoField"
