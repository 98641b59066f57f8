"""Which of this distribution's migrations a database lacks, without loading them all."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from django.apps import apps
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

APP_LABEL = "visualsnoop"


def unapplied(using: str) -> list[str]:
    """Return the migrations that a database lacks, as ``"visualsnoop.0001_initial"``; one query.

    Another app of this distribution, such as the engine, counts once it has any migration
    there: which databases it needs is said elsewhere.

    Args:
        using: alias of the database.

    Raises:
        django.db.Error: the database does not answer, or was never migrated.
    """
    labels = [
        config.label
        for config in apps.get_app_configs()
        if config.name.partition(".")[0] == __package__
    ]
    applied: dict[str, set[str]] = {}
    rows = MigrationRecorder(connections[using]).migration_qs.filter(app__in=labels)
    for label, name in rows.values_list("app", "name"):
        applied.setdefault(label, set()).add(name)
    return [
        f"{label}.{name}"
        for label in labels
        if label in applied or label == APP_LABEL
        for name in _names(MigrationLoader.migrations_module(label)[0])
        if name not in applied.get(label, ())
    ]


@cache
def _names(module: str | None) -> tuple[str, ...]:
    if module is None:
        return ()  # the setting MIGRATION_MODULES wants none
    found = iter_modules(import_module(module).__path__)
    return tuple(sorted(one.name for one in found if not one.ispkg and one.name[0] not in "_~"))
