"""System checks. They inspect code and settings, and open no connections.

The exception is ``check_health``, which Django runs only for ``check --deploy --database``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    Warning,  # noqa: A004 -- Django's name
    register,
)
from django.core.exceptions import ImproperlyConfigured
from django.db import models, router
from django.utils import timezone
from django.utils.module_loading import import_string

from django_visualsnoop.collections import DEFAULT_BACKEND, collections
from django_visualsnoop.collections.base import BaseCollection
from django_visualsnoop.health import (
    DATABASE,
    MIGRATIONS,
    OVERDUE,
    UNRECORDED,
    health,
    sweep_words,
)
from django_visualsnoop.indexed.checks import configured_collections
from django_visualsnoop.indexed.options import (
    DEFAULT_IMAGE_ID,
    all_indexed_fields,
    split_template,
)
from django_visualsnoop.outbox.celery import broker_problem, is_fallback, project_app
from django_visualsnoop.outbox.checks import check_sqlite, check_upsert
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery import Celery

    from django_visualsnoop.health import Health
    from django_visualsnoop.indexed.options import IndexedField

TAG = "visualsnoop"
#: The periodic task that processes records whose message was lost.
SWEEPER = "django_visualsnoop.sync_all"


def register_all() -> None:
    for check in (check_collections, check_image_ids, check_celery, check_upsert):
        register(check, TAG)
    register(check_sqlite, TAG, deploy=True)
    # Not with TAG as well: Django would run it for "check --tag visualsnoop" on every database.
    register(check_health, Tags.database, deploy=True)


def check_image_ids(**_: Any) -> list[CheckMessage]:
    """Check that no two fields can use the same image id in one collection."""
    fields = [field for field in all_indexed_fields() if _is_template(field.template)]
    return [
        Error(
            f"{first} and {second} may use the same image ids in collection "
            f"{first.collection!r} ({first.template!r} and {second.template!r}).",
            hint=(
                "In class VisualSnoop of one of them, set "
                f"image_id = {DEFAULT_IMAGE_ID!r}, or use another collection."
            ),
            obj=first.owner,
            id="visualsnoop.E006",
        )
        for first, second in combinations(sorted(fields, key=str), 2)
        if first.collection == second.collection and _may_meet(first, second)
    ]


def _is_template(template: object) -> bool:
    try:
        return isinstance(template, str) and bool(split_template(template))
    except ImproperlyConfigured:
        return False  # E005 reports it


def _may_meet(first: IndexedField, second: IndexedField) -> bool:
    """Whether an id of one field may also be an id of the other.

    If one template has a longer prefix or suffix, the other field's keys must contain the rest.
    """
    if {_keys(first), _keys(second)} == {_INTEGER, _UUID}:
        return False
    prefixes, suffixes = zip(first.affixes("default"), second.affixes("default"), strict=True)
    (head, head_of), (longer, _) = sorted(
        zip(prefixes, (first, second), strict=True), key=lambda pair: len(pair[0])
    )
    (tail, tail_of), (ending, _) = sorted(
        zip(suffixes, (first, second), strict=True), key=lambda pair: len(pair[0])
    )
    return (
        longer.startswith(head)
        and ending.endswith(tail)
        and bool(re.fullmatch(_keys(head_of), longer.removeprefix(head)))
        and bool(re.fullmatch(_keys(tail_of), ending.removesuffix(tail)))
    )


#: Patterns of a part of a key as text.
_INTEGER, _UUID, _ANY = r"-?\d*", r"[0-9a-f-]*", r"(?s).*"


def _keys(field: IndexedField) -> str:
    key: Any = field.key
    while key.remote_field is not None:
        key = key.target_field
    if isinstance(key, models.IntegerField):
        return _INTEGER
    return _UUID if isinstance(key, models.UUIDField) else _ANY


def check_collections(**_: Any) -> list[CheckMessage]:
    """Check the ``VISUALSNOOP`` setting; each backend checks its own parameters."""
    known = configured_collections()
    if known is None:
        return [_wrong_setting("VISUALSNOOP", settings.VISUALSNOOP)]
    # "default" always exists; check it only if it is set or a model uses it.
    used = {field.collection for field in all_indexed_fields()}
    aliases = [alias for alias in known if alias in used or alias in _given()]
    return [message for alias in aliases for message in _check_collection(alias, known[alias])]


def _check_collection(alias: str, value: object) -> list[CheckMessage]:
    if not isinstance(value, dict):
        return [_wrong_setting(f"VISUALSNOOP[{alias!r}]", value)]
    params = collections.params(alias)
    path = params.pop("BACKEND")
    try:
        backend = import_string(path)
        if not (isinstance(backend, type) and issubclass(backend, BaseCollection)):
            raise ImportError(f"{path} is not a subclass of BaseCollection")
    except Exception as error:  # noqa: BLE001 -- importing a module may raise anything
        return [
            Error(
                f"VISUALSNOOP[{alias!r}]: could not import the backend {path!r}: {error}",
                hint=f'Set "BACKEND": "{DEFAULT_BACKEND}", or install what the backend needs.',
                id="visualsnoop.E011",
            )
        ]
    return backend.check(alias, params)


def _wrong_setting(name: str, value: object) -> CheckMessage:
    example = f'{{"default": {{"BACKEND": "{DEFAULT_BACKEND}"}}}}'
    return Error(
        f"{name} must be a dict, not a {type(value).__name__}.",
        hint=f"Set VISUALSNOOP = {example} in the settings.",
        id="visualsnoop.E010",
    )


def _given() -> dict[str, Any]:
    return getattr(settings, "VISUALSNOOP", {})


def check_celery(**_: Any) -> list[CheckMessage]:
    """Check the Celery app, its broker and its schedule; without them, nothing is dispatched."""
    app = project_app()
    if not all_indexed_fields() or app.conf.task_always_eager:
        return []
    if is_fallback(app):
        problem = "The project has no Celery app"
    elif not app.conf.broker_write_url:
        problem = f"The Celery app {app.main!r} has no broker"
    else:
        return [*_check_broker(app), *_check_sweeper(app)]
    return [
        Warning(
            f"{problem}, so workers cannot sync changed images.",
            hint=(
                'Set CELERY_BROKER_URL = "redis://localhost:6379/0" in the settings. Create a '
                "module celery.py beside them, import it in their package's __init__.py, and write "
                'in it: app = Celery("project"); '
                'app.config_from_object("django.conf:settings", namespace="CELERY"); '
                "app.autodiscover_tasks(). To run without Celery, let cron run "
                "python manage.py visualsnoop_sync every minute, and set "
                'SILENCED_SYSTEM_CHECKS = ["visualsnoop.W003"].'
            ),
            id="visualsnoop.W003",
        )
    ]


def _check_broker(app: Celery) -> Iterator[CheckMessage]:
    if problem := broker_problem(app):
        what, _, command = problem.partition(" Type: ")
        yield Warning(
            f"{what} Workers cannot sync changed images.",
            hint=f"Type: {command}" if command else "Correct CELERY_BROKER_URL in the settings.",
            id="visualsnoop.W011",
        )


def _check_sweeper(app: Celery) -> Iterator[CheckMessage]:
    """Check that something runs the sweeper, which handles lost messages and long delays."""
    if _is_scheduled(app):
        return
    yield Warning(
        f"CELERY_BEAT_SCHEDULE does not contain {SWEEPER}, so after a lost message or a failure, "
        "a record waits until a worker processes other records.",
        hint=(
            f'Set CELERY_BEAT_SCHEDULE = {{"visualsnoop": {{"task": "{SWEEPER}", "schedule": '
            "60.0}} in the settings, and run celery -A PROJECT beat. Or let cron run python "
            "manage.py visualsnoop_sync every minute, and set "
            'SILENCED_SYSTEM_CHECKS = ["visualsnoop.W010"].'
        ),
        id="visualsnoop.W010",
    )


def _is_scheduled(app: Celery) -> bool:
    if "django_celery_beat" in str(app.conf.beat_scheduler) or apps.is_installed(
        "django_celery_beat"
    ):
        return True  # its schedule is in the database, which this check does not query
    schedule = app.conf.beat_schedule or {}
    return any(dict(entry).get("task") == SWEEPER for entry in schedule.values())


def check_health(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Report the health problems of each database that stores sync records."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        if router.allow_migrate_model(alias, SyncRecord):
            state = health(alias)
            found += [
                Warning(problem.message, hint=problem.hint, id=_HEALTH.get(problem.code, _FAILING))
                for problem in state.problems
            ]
            found += _check_swept(state)
    return found


def _check_swept(state: Health) -> Iterator[CheckMessage]:
    now = timezone.now()
    if not state.ok or (state.swept_at and now - state.swept_at < _SWEPT_WITHIN):
        return
    if SyncRecord.objects.using(state.using).exists():
        yield Warning(
            sweep_words(state.using, state.swept_at, now),
            hint=(
                f"Let Celery beat run {SWEEPER} every minute, or let cron run: "
                f"python manage.py visualsnoop_sync --database {state.using}"
            ),
            id="visualsnoop.W012",
        )


#: How long ago the last sweep may have started.
_SWEPT_WITHIN = timedelta(days=1)


_HEALTH = {
    DATABASE: "visualsnoop.W004",
    MIGRATIONS: "visualsnoop.W005",
    OVERDUE: "visualsnoop.W006",
    UNRECORDED: "visualsnoop.W020",
}
_FAILING = "visualsnoop.W007"
