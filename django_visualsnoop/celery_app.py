"""The project's Celery app, also in threads that Celery knows nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import current_app

if TYPE_CHECKING:
    from celery import Celery

_remembered: Celery | None = None


def project_app() -> Celery:
    """Return the Celery app that the project made.

    Celery keeps its current app per thread, and gives every other thread a bare fallback
    that knows no broker: in the threads of a web server, a task would go nowhere.
    """
    global _remembered
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]  # a Proxy
    if not is_fallback(app):
        _remembered = app
    elif _remembered is not None:
        return _remembered
    return app


def is_fallback(app: Celery) -> bool:
    """Whether Celery made this app by itself, because the project has made none."""
    return app.main == "default" and not app.set_as_current  # type: ignore[attr-defined]
