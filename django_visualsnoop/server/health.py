"""Probes without authentication: whether a process runs, and whether it can do its work."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_visualsnoop.common.non_atomic import without_atomic_requests
from django_visualsnoop.server.models import database

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger("django_visualsnoop.server")

_APPS = ("visualsnoop_engine", "visualsnoop_server")


# With ATOMIC_REQUESTS, a missing database would raise before Django calls the view.
@without_atomic_requests
@require_safe
@never_cache
@login_not_required
def live(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 -- Django's
    """Return 200: the process accepts requests."""
    return JsonResponse({"live": True})


@without_atomic_requests
@require_safe
@never_cache
@login_not_required
def ready(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 -- Django's
    """Return 200 if the database responds and has all tables, otherwise 503."""
    checks = {"database": False, "migrations": False}
    try:
        with connections[database()].cursor() as cursor:
            cursor.execute("SELECT 1")
        checks["database"] = True
        checks["migrations"] = _is_migrated(database())
    except DatabaseError as error:
        logger.warning("Not ready: %s", error)
    is_ready = all(checks.values())
    return JsonResponse({"ready": is_ready, **checks}, status=200 if is_ready else 503)


class _Waiting(Exception):  # noqa: N818
    """Migrations are missing.

    Not cached: migrations are applied while the process runs, and never reverted.
    """


def _is_migrated(using: str) -> bool:
    try:
        return _check_migrated(using)
    except _Waiting:
        return False


@lru_cache
def _check_migrated(using: str) -> bool:
    executor = MigrationExecutor(connections[using])
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] in _APPS]
    if executor.migration_plan(targets):
        raise _Waiting
    return True
