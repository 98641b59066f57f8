"""``uvicorn --lifespan off django_visualsnoop.server.project.asgi:application``."""

from __future__ import annotations

import os
from typing import Any, cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_visualsnoop.server.project.settings")

_django = get_asgi_application()

from django_visualsnoop.server.project.asgi_front import asgi_front  # noqa: E402 -- needs apps

application = asgi_front(cast("Any", _django))
