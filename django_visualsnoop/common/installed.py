"""Check that the app is installed."""

from __future__ import annotations

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

#: The app's name in INSTALLED_APPS.
APP = "django_visualsnoop"


def require_installed() -> None:
    """Raise an error that tells what to type, before Django raises one about an app label.

    Raises:
        ImproperlyConfigured: the app is not installed.
    """
    if apps.apps_ready and not apps.is_installed(APP):
        raise ImproperlyConfigured(
            f"{APP}.models was imported, but {APP} is not in "
            f'INSTALLED_APPS. Write INSTALLED_APPS += ["{APP}"] in the '
            "settings, and type: python manage.py migrate visualsnoop"
        )
