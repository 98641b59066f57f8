from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.signals import connection_created

_UID = "django_visualsnoop.follow_late_changes"


class VisualSnoopConfig(AppConfig):
    name = "django_visualsnoop"
    label = "visualsnoop"
    verbose_name = "VisualSnoop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_visualsnoop import checks, handlers

        handlers.connect_all()
        checks.register_all()
        connection_created.connect(follow_late_changes, dispatch_uid=_UID)


def follow_late_changes(**_: Any) -> None:
    """Follow fields that apps listed after this one have added or changed in their ``ready()``.

    No row is loaded before a connection is opened, and Django says in no other way that all apps
    are ready.
    """
    from django_visualsnoop import handlers

    if apps.ready and connection_created.disconnect(dispatch_uid=_UID):
        handlers.connect_all()


def require_installed() -> None:
    """Say what to type where Django would speak of an app label.

    Raises:
        ImproperlyConfigured: the app is not installed.
    """
    if apps.apps_ready and not apps.is_installed(VisualSnoopConfig.name):
        raise ImproperlyConfigured(
            f"{VisualSnoopConfig.name}.models is imported, and {VisualSnoopConfig.name} is not in "
            f'INSTALLED_APPS. Write INSTALLED_APPS += ["{VisualSnoopConfig.name}"] in the '
            "settings, and type: python manage.py migrate visualsnoop"
        )
