"""The project's Celery app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import current_app

if TYPE_CHECKING:
    from celery import Celery


def project_app() -> Celery:
    """Return the Celery app of the project, or the fallback that Celery makes without one."""
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]  # a Proxy
    return app


def is_fallback(app: Celery) -> bool:
    """Whether Celery made this app by itself, because the project has made none."""
    return app.main == "default" and not app.set_as_current  # type: ignore[attr-defined]
