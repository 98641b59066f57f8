from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig

from django_visualsnoop.exceptions import MissingExtra


class ServerConfig(AppConfig):
    name = "django_visualsnoop.server"
    label = "visualsnoop_server"
    verbose_name = "VisualSnoop server"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_visualsnoop.server import checks

        if not all(map(find_spec, ("PIL", "numpy", "cv2", "cryptography"))):
            raise MissingExtra("The server", "server")
        checks.register_all()
