from __future__ import annotations

from django.apps import AppConfig


class ServerConfig(AppConfig):
    name = "django_visualsnoop.server"
    label = "visualsnoop_server"
    verbose_name = "VisualSnoop server"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_visualsnoop.server import checks

        checks.register_all()
