from __future__ import annotations

from django.apps import AppConfig


class VisualSnoopConfig(AppConfig):
    name = "django_visualsnoop"
    label = "visualsnoop"
    verbose_name = "VisualSnoop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_visualsnoop import checks, handlers
        from django_visualsnoop.celery_app import project_app

        handlers.connect_all()
        checks.register_all()
        project_app()  # seen here, in the main thread, it is remembered for all others
