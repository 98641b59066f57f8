"""Find this distribution's unapplied migrations without loading the migration graph."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.module_loading import import_string

from django_visualsnoop.collections import collections
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.installed import APP
from django_visualsnoop.indexed.options import all_indexed_fields

APP_LABEL = "visualsnoop"
ENGINE_LABEL = "visualsnoop_engine"


def unapplied(using: str) -> list[str]:
    """Return the unapplied migrations, such as ``"visualsnoop.0001_initial"``; one query.

    The engine's migrations count if the engine stores an indexed field's collection in this
    database. Those of another app of this distribution count once one of them is applied.

    Args:
        using: alias of the database.

    Raises:
        django.db.Error: the database does not answer, or was never migrated.
    """
    labels = [
        config.label for config in apps.get_app_configs() if config.name.partition(".")[0] == APP
    ]
    needed = {APP_LABEL, ENGINE_LABEL} if _keeps_a_collection(using) else {APP_LABEL}
    applied: dict[str, set[str]] = {}
    rows = MigrationRecorder(connections[using]).migration_qs.filter(app__in=labels)
    for label, name in rows.values_list("app", "name"):
        applied.setdefault(label, set()).add(name)
    return [
        f"{label}.{name}"
        for label in labels
        if label in applied or label in needed
        for name in _names(MigrationLoader.migrations_module(label)[0])
        if name not in applied.get(label, ())
    ]


def _keeps_a_collection(using: str) -> bool:
    """Whether the embedded engine stores an indexed field's collection in this database."""
    return any(
        _database_of(alias) == using for alias in {one.collection for one in all_indexed_fields()}
    )


def _database_of(alias: str) -> str | None:
    """Return the engine's database for a collection; ``None`` for other or invalid backends."""
    try:
        params = collections.params(alias)
        if not issubclass(import_string(params["BACKEND"]), LocalCollection):
            return None
    except (ImportError, ImproperlyConfigured, TypeError):
        return None
    database: str = (params.get("OPTIONS") or {}).get("database", DEFAULT_DB_ALIAS)
    return database


@cache
def _names(module: str | None) -> tuple[str, ...]:
    if module is None:
        return ()  # MIGRATION_MODULES disables them
    found = iter_modules(import_module(module).__path__)
    return tuple(sorted(one.name for one in found if not one.ispkg and one.name[0] not in "_~"))
