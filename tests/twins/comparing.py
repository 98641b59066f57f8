"""Doing a situation to both twins, and what differs."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from django_visualsnoop.models import SyncRecord
from tests.twins.models import (
    Box,
    FollowedChild,
    FollowedItem,
    FollowedLine,
    PlainChild,
    PlainItem,
    PlainLine,
)
from tests.twins.situations import Side, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

SIGNALS = {
    "pre_save": pre_save,
    "post_save": post_save,
    "pre_delete": pre_delete,
    "post_delete": post_delete,
}


@contextmanager
def _both(*managers: AbstractContextManager[Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for manager in managers:
            stack.enter_context(manager)
        yield


#: How a request may have opened transactions around a situation.
AROUND: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocommit": nullcontext,
    "atomic": transaction.atomic,
    "savepoint": lambda: _both(transaction.atomic(), transaction.atomic()),
}


def observe(which: str, situation: Callable[[Side], Any], around: str, failing: str = "") -> Any:
    """Return all that a project can see of a situation.

    Args:
        which: ``"plain"`` or ``"followed"``.
        situation: what to do.
        around: a key of ``AROUND``.
        failing: the signal whose handler raises an error.
    """
    side = _made(which)
    log: list[Any] = []
    seen: dict[str, Any] = {"signals": log}
    with _listening(side, log, failing):
        try:
            with AROUND[around]():
                try:
                    seen["returned"] = situation(side)
                except Exception as error:  # noqa: BLE001 -- compared
                    seen["raised"] = type(error).__name__, str(error)
                seen["open"] = connection.in_atomic_block
                seen["usable"] = _usable(side)
        except Exception as error:  # noqa: BLE001 -- compared
            seen["commit raised"] = type(error).__name__, str(error)
    seen["rows"] = [
        [shown(row) for row in model.objects.order_by("pk")]
        for model in (side.item, side.child, side.line)
    ]
    seen["in a transaction"] = connection.in_atomic_block
    return _without_names(seen)


def _usable(side: Side) -> Any:
    try:
        return side.item.objects.count()
    except (DatabaseError, transaction.TransactionManagementError) as error:
        return type(error).__name__


@contextmanager
def _listening(side: Side, log: list[Any], failing: str) -> Iterator[None]:
    def receive(name: str, sender: Any, instance: Any, **kwargs: Any) -> None:
        told = {
            key: kwargs[key]
            for key in ("created", "raw", "using", "update_fields")
            if key in kwargs
        }
        log.append((name, shown(instance), told, connection.in_atomic_block, _usable(side)))
        transaction.on_commit(lambda: log.append((name, "committed")))
        if name == failing:
            raise RuntimeError("a handler of the project failed")

    receivers = {name: partial(receive, name) for name in SIGNALS}
    for name, receiver in receivers.items():
        for model in (side.item, side.child):
            SIGNALS[name].connect(receiver, sender=model, weak=False)
    try:
        yield
    finally:
        for name, receiver in receivers.items():
            for model in (side.item, side.child):
                SIGNALS[name].disconnect(receiver, sender=model)


def _made(which: str) -> Side:
    """Empty all tables, and fill them with the same rows and the same keys."""
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
    Path(settings.MEDIA_ROOT).mkdir(parents=True)
    models: dict[str, tuple[Any, Any, Any, str]] = {
        "plain": (PlainItem, PlainChild, PlainLine, "plain_items"),
        "followed": (FollowedItem, FollowedChild, FollowedLine, "followed_items"),
    }
    item, child, line, related = models[which]
    tables: tuple[Any, ...] = (PlainLine, FollowedLine, PlainChild, FollowedChild)
    for model in (*tables, PlainItem, FollowedItem, Box):
        if hasattr(model, "tags"):
            model.tags.through.objects.all().delete()
        model.objects.all().delete()
    SyncRecord.objects.all().delete()
    _restart_keys(item, line, Box)
    box = Box.objects.create(name="box")
    side = Side(item, child, line, related, box)
    for number, name in enumerate(("one", "two", "three"), 1):
        photo = f"{name}.jpg"
        Path(settings.MEDIA_ROOT, photo).write_bytes(b"bytes")
        item.objects.create(
            name=name, code="abc"[number - 1], price=1, photo=photo, box=box if number < 3 else None
        )
    child.objects.create(name="kid", photo="kid.jpg")
    return side


def _restart_keys(*tables: Any) -> None:
    """Give both twins the same keys."""
    with connections["default"].cursor() as cursor:
        for model in tables:
            table = model._meta.db_table
            if connection.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            elif connection.vendor == "postgresql":
                cursor.execute(f'ALTER SEQUENCE "{table}_id_seq" RESTART')
            else:
                cursor.execute(f"ALTER TABLE `{table}` AUTO_INCREMENT = 1")


def _without_names(value: Any) -> Any:
    """Leave out what says which twin it is, and what chance has chosen."""
    if isinstance(value, dict):
        return {_without_names(key): _without_names(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_names(one) for one in value]
    if isinstance(value, str):
        text = re.sub(r"(?i)plain|followed", "", value)
        before, choices, names = text.partition("Choices are: ")
        text = before + choices + ", ".join(sorted(names.split(", ")))  # sorted by whole names
        return re.sub(r"_[A-Za-z0-9]{7}(?=\.jpg)", "", text)
    return value
