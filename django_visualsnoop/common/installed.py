"""Whether the app is among the installed ones."""

from __future__ import annotations

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

#: As INSTALLED_APPS names it.
APP = "django_visualsnoop"


def require_installed() -> None:
    """Say what to type where Django would speak of an app label.

    Raises:
        ImproperlyConfigured: the app is not installed.
    """
    if apps.apps_ready and not apps.is_installed(APP):
        raise ImproperlyConfigured(
            f"{APP}.models is imported, and {APP} is not in "
            f'INSTALLED_APPS. Write INSTALLED_APPS += ["{APP}"] in the '
            "settings, and type: python manage.py migrate visualsnoop"
        )
