from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.db.backends.signals import connection_created

from django_visualsnoop.common.installed import APP

_UID = "django_visualsnoop.follow_late_changes"


class VisualSnoopConfig(AppConfig):
    name = APP
    label = "visualsnoop"
    verbose_name = "VisualSnoop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_visualsnoop import checks, tasks  # noqa: F401 -- tasks register themselves
        from django_visualsnoop.outbox import handlers

        handlers.connect_all()
        checks.register_all()
        connection_created.connect(follow_late_changes, dispatch_uid=_UID)


def follow_late_changes(**_: Any) -> None:
    """Track fields that apps listed after this one have added or changed in their ``ready()``.

    No row is loaded before a connection is opened, and Django has no other signal for the moment
    when all apps are ready.
    """
    from django_visualsnoop.outbox import handlers

    if apps.ready and connection_created.disconnect(dispatch_uid=_UID):
        handlers.connect_all()
