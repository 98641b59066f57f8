"""System checks of the managers of an indexed model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.checks import (
    CheckMessage,
    Warning,  # noqa: A004 -- Django's name
)
from django.db import models

from django_visualsnoop.indexed.options import is_indexed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models.manager import BaseManager

#: An attribute that identifies a ``VisualSnoopQuerySet``.
SEARCHABLE = "_visualsnoop_requests_paused"


def check_managers(model: type[models.Model]) -> Iterator[CheckMessage]:
    """Check that the mixin hides no manager, and that the main managers have ``similar_to()``.

    Args:
        model: an indexed model, concrete or proxy.
    """
    hidden = _hidden_manager(model)
    if hidden is not None:
        yield Warning(
            f"{model._meta.label}: the manager of VisualSnoopMixin hides the manager "
            f"{hidden.name!r} ({type(hidden).__name__}) of {hidden.model.__name__}, including its "
            "filters and methods.",
            hint=f"In {model.__name__}, write {_composed(hidden)}",
            obj=model,
            id="visualsnoop.W023",
        )
        return
    for manager in _managers_used(model):
        if not _searches(manager) and not _is_said_of_a_parent(model, manager):
            yield Warning(
                f"{model._meta.label}: the manager {manager.name!r} has no similar_to() or "
                "duplicates(), and its bulk changes are not synced.",
                hint=f"In {model.__name__}, write {_composed(manager)}",
                obj=model,
                id="visualsnoop.W021",
            )


def _managers_used(model: type[models.Model]) -> Iterator[BaseManager[Any]]:
    """Yield the default manager, which Django and the admin use, and ``objects``."""
    default = model._default_manager
    yield default
    for manager in model._meta.managers:
        if manager.name == "objects" != default.name:
            yield manager


def _searches(manager: BaseManager[Any]) -> bool:
    try:
        return hasattr(manager.get_queryset(), SEARCHABLE)
    except Exception:  # noqa: BLE001 -- the project's code may need a request
        return True


def _is_said_of_a_parent(model: type[models.Model], manager: BaseManager[Any]) -> bool:
    if model._meta.local_managers:
        return False
    return any(
        is_indexed(parent) and one.name == manager.name
        for parent in model._meta.all_parents
        for one in _managers_used(parent)
    )


def _hidden_manager(model: type[models.Model]) -> BaseManager[Any] | None:
    """Return the manager that the model would have without the mixin; ``None`` if none is hidden.

    Django uses the first class in the method resolution order that has a manager of a name, and
    the first manager as the default one.
    """
    bases: list[type[models.Model]] = [base for base in model.__mro__ if hasattr(base, "_meta")]
    mixin = max(number for number, base in enumerate(bases) if is_indexed(base))
    if any(base._meta.local_managers for base in bases[:mixin]):
        return None  # another manager hides both
    for base in bases[mixin + 1 :]:
        for manager in base._meta.local_managers:
            of_its_own = not getattr(manager, "auto_created", False)
            if of_its_own and type(manager) is not models.Manager and not _searches(manager):
                return manager
    return None


def _composed(manager: BaseManager[Any]) -> str:
    """Return a line of code that adds searching to such a manager."""
    queryset: Any = manager._queryset_class  # type: ignore[attr-defined]
    name, kind = manager.name, _class_of(manager)
    if queryset is models.QuerySet:
        return f"{name} = {kind}.from_queryset(VisualSnoopQuerySet)()"
    return (
        f"{name} = {kind}.from_queryset(Searchable)(), with "
        f"class Searchable(VisualSnoopQuerySet, {queryset.__name__}): pass"
    )


def _class_of(manager: BaseManager[Any]) -> str:
    """Return the class to write: not the one that ``from_queryset()`` has created from it."""
    kind = type(manager)
    if kind.__module__ == models.Manager.__module__ or kind.__name__.startswith(
        ("ManagerFrom", "BaseManagerFrom")
    ):
        return "models.Manager"
    made = f"From{manager._queryset_class.__name__}"  # type: ignore[attr-defined]
    return kind.__name__.removesuffix(made)
