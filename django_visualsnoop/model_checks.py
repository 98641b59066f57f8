"""System checks of what surrounds an indexed model: its managers, its fields and other apps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import (
    CheckMessage,
    Warning,  # noqa: A004 -- Django's name
)
from django.db import models

from django_visualsnoop.models import VisualSnoopMixin
from django_visualsnoop.options import indexed_fields
from django_visualsnoop.querysets import VisualSnoopQuerySet
from django_visualsnoop.touched import _TrackedDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models.manager import BaseManager


def check_managers(model: type[VisualSnoopMixin]) -> Iterator[CheckMessage]:
    """A manager that the mixin hides; a default one, or ``objects``, without ``similar_to()``.

    Args:
        model: an indexed model, concrete or proxy.
    """
    hidden = _hidden_manager(model)
    if hidden is not None:
        yield Warning(
            f"{model._meta.label}: the manager of VisualSnoopMixin hides {_class_of(hidden)}, "
            f"{hidden.name!r} of {hidden.model.__name__}, with what it leaves out or adds.",
            hint=f"In {model.__name__}, write {_composed(hidden)}",
            obj=model,
            id="visualsnoop.W023",
        )
        return
    for manager in _managers_used(model):
        if not _searches(manager) and not _is_said_of_a_parent(model, manager):
            yield Warning(
                f"{model._meta.label}: the manager {manager.name!r} has no similar_to() and no "
                "duplicates(), and what it changes in bulk is not followed.",
                hint=f"In {model.__name__}, write {_composed(manager)}",
                obj=model,
                id="visualsnoop.W021",
            )


def check_has_fields(model: type[VisualSnoopMixin]) -> Iterator[CheckMessage]:
    """A mixin that follows nothing, in the model or in any that is derived from it."""
    if getattr(model.VisualSnoop, "fields", None) is not None:
        return
    if any(issubclass(one, model) and indexed_fields(one) for one in apps.get_models()):
        return
    others = [f.name for f in model._meta.concrete_fields if isinstance(f, models.FileField)]
    instead = f" ({', '.join(others)} is a FileField, which is not followed)" if others else ""
    yield Warning(
        f"{model._meta.label} has VisualSnoopMixin and no ImageField{instead}: nothing is indexed.",
        hint=(
            f'In {model.__name__}, write photo = models.ImageField(upload_to="photos"), '
            "or leave VisualSnoopMixin out."
        ),
        obj=model,
        id="visualsnoop.W022",
    )


def check_descriptors(model: type[VisualSnoopMixin]) -> Iterator[CheckMessage]:
    """A field whose descriptor another app has replaced, so that assignments go unseen."""
    for field in indexed_fields(model):
        descriptor = getattr(model, field.name, None)
        if _is_tracked(descriptor):
            continue
        kind = type(descriptor)
        app = kind.__module__.partition(".")[0]
        yield Warning(
            f"{model._meta.label}.{field.name}: {kind.__module__}.{kind.__name__} has taken the "
            "place of what follows the field, so a picture that is assigned to a loaded row is "
            "not noticed when the row is saved.",
            hint=f'In INSTALLED_APPS, put "{app}" or what brings it before "django_visualsnoop".',
            obj=model,
            id="visualsnoop.W024",
        )


def _is_tracked(descriptor: object) -> bool:
    """Whether assignments come to us, also through a descriptor that holds ours."""
    held = vars(descriptor).values() if hasattr(descriptor, "__dict__") else ()
    return any(isinstance(one, _TrackedDescriptor) for one in (descriptor, *held))


def _managers_used(model: type[models.Model]) -> Iterator[BaseManager[Any]]:
    """Yield the manager that Django and the admin use, and the one that people type."""
    default = model._default_manager
    yield default
    for manager in model._meta.managers:
        if manager.name == "objects" != default.name:
            yield manager


def _searches(manager: BaseManager[Any]) -> bool:
    try:
        return isinstance(manager.get_queryset(), VisualSnoopQuerySet)
    except Exception:  # noqa: BLE001 -- the project's own code, which may want a request
        return True


def _is_said_of_a_parent(model: type[models.Model], manager: BaseManager[Any]) -> bool:
    if model._meta.local_managers:
        return False
    return any(
        issubclass(parent, VisualSnoopMixin) and one.name == manager.name
        for parent in model._meta.all_parents
        for one in _managers_used(parent)
    )


def _hidden_manager(model: type[models.Model]) -> BaseManager[Any] | None:
    """Return the manager that the model would have without the mixin's; ``None`` if it has none.

    Django takes the first class in the order of resolution that brings a manager of this name,
    and its first manager as the default one.
    """
    bases = [base for base in model.__mro__ if hasattr(base, "_meta")]
    mixin = bases.index(VisualSnoopMixin)
    if any(base._meta.local_managers for base in bases[:mixin]):
        return None  # another hides both
    for base in bases[mixin + 1 :]:
        for manager in base._meta.local_managers:
            of_its_own = not getattr(manager, "auto_created", False)
            if of_its_own and type(manager) is not models.Manager and not _searches(manager):
                return manager
    return None


def _composed(manager: BaseManager[Any]) -> str:
    """Return a line that makes such a manager search."""
    queryset: Any = manager._queryset_class  # type: ignore[attr-defined]
    name, kind = manager.name, _class_of(manager)
    if queryset is models.QuerySet:
        return f"{name} = {kind}.from_queryset(VisualSnoopQuerySet)()"
    return (
        f"{name} = {kind}.from_queryset(Searchable)(), with "
        f"class Searchable(VisualSnoopQuerySet, {queryset.__name__}): pass"
    )


def _class_of(manager: BaseManager[Any]) -> str:
    """Return the class to write: not the one that ``from_queryset()`` has made of it."""
    kind = type(manager)
    if kind.__module__ == models.Manager.__module__ or kind.__name__.startswith(
        ("ManagerFrom", "BaseManagerFrom")
    ):
        return "models.Manager"
    made = f"From{manager._queryset_class.__name__}"  # type: ignore[attr-defined]
    return kind.__name__.removesuffix(made)
