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

        needed = ("PIL", "numpy", "cv2", "cryptography", "http_message_signatures", "ninja")
        if not all(map(find_spec, needed)):
            raise MissingExtra("The server", "server")
        checks.register_all()
