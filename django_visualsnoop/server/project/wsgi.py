"""``gunicorn django_visualsnoop.server.project.wsgi``."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_visualsnoop.server.project.settings")

application = get_wsgi_application()
