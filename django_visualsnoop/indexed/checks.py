"""System checks of an indexed model: its options, its key and its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004 -- Django's name
)
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models

from django_visualsnoop.collections import DEFAULT_BACKEND, DEFAULT_COLLECTION_ALIAS, collections
from django_visualsnoop.indexed.descriptors import TrackedDescriptor
from django_visualsnoop.indexed.manager_checks import check_managers
from django_visualsnoop.indexed.options import (
    DEFAULT_IMAGE_ID,
    OPTION_NAMES,
    indexed_fields,
    split_template,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.models import VisualSnoopMixin


def check_model(model: type[VisualSnoopMixin]) -> list[CheckMessage]:
    """Check an indexed model; part of ``Model.check()``."""
    if model._meta.proxy:
        # Its concrete model reports everything else, but it may have its own managers.
        return [*check_managers(model)] if model._meta.local_managers else []
    found = [*_check_options(model)] if _has_options_of_its_own(model) else []
    if any(message.is_serious() for message in found):
        return found
    if not indexed_fields(model):
        return [*found, *check_has_fields(model)]
    found += [*_check_key(model), *_check_cascades(model)]
    return [*found, *check_managers(model), *check_descriptors(model)]


def _has_options_of_its_own(model: type[models.Model]) -> bool:
    parents = (parent for parent in model._meta.parents if hasattr(parent, "VisualSnoop"))
    return "VisualSnoop" in model.__dict__ or not any(parents)


def _check_options(model: type[VisualSnoopMixin]) -> Iterator[CheckMessage]:
    label, options = model._meta.label, model.VisualSnoop
    for name in sorted(name for name in dir(options) if not name.startswith("_")):
        if name not in OPTION_NAMES:
            yield Error(
                f"{label}: class VisualSnoop has no option {name!r}.",
                hint=f"Remove it, or use one of: {', '.join(OPTION_NAMES)}.",
                obj=model,
                id="visualsnoop.E004",
            )
    yield from _check_names(model, "fields")
    yield from _check_names(model, "condition_fields")
    template = getattr(options, "image_id", DEFAULT_IMAGE_ID)
    try:
        if not isinstance(template, str):
            raise ImproperlyConfigured(
                f"image_id must be a string, not a {type(template).__name__}."
            )
        split_template(template)
    except ImproperlyConfigured as error:
        yield Error(
            f"{label}: {error}",
            hint=f"In class VisualSnoop of {label}, set image_id = {DEFAULT_IMAGE_ID!r}",
            obj=model,
            id="visualsnoop.E005",
        )
    alias = getattr(options, "collection", DEFAULT_COLLECTION_ALIAS)
    known = configured_collections()
    if known is not None and alias not in list(known):
        yield Error(
            f"{label}: VISUALSNOOP has no collection {alias!r}.",
            hint=(
                f'Add VISUALSNOOP[{alias!r}] = {{"BACKEND": "{DEFAULT_BACKEND}"}} to the settings, '
                f"or set collection to one of: {', '.join(map(repr, sorted(known)))}."
            ),
            obj=model,
            id="visualsnoop.E001",
        )


def _check_names(model: type[VisualSnoopMixin], option: str) -> Iterator[CheckMessage]:
    names = getattr(model.VisualSnoop, option, None)
    if names is None:
        return
    label = model._meta.label
    if not isinstance(names, (list, tuple, set, frozenset)):
        yield Error(
            f"{label}: {option} must be a list of names, not {names!r}.",
            hint=f"In class VisualSnoop of {label}, set {option} = [{names!r}]",
            obj=model,
            id="visualsnoop.E009",
        )
        return
    images = [f.name for f in model._meta.get_fields() if isinstance(f, models.ImageField)]
    for name in names:
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            here = images if option == "fields" else [f.name for f in model._meta.concrete_fields]
            yield Error(
                f"{label}: {option} refers to the nonexistent field {name!r}.",
                hint=f"Choose from {option} = {here!r}",
                obj=model,
                id="visualsnoop.E002" if option == "fields" else "visualsnoop.E007",
            )
        else:
            if option == "fields" and not isinstance(field, models.ImageField):
                yield Error(
                    f"{label}: fields refers to {name!r}, which is a {type(field).__name__}, "
                    "not an ImageField.",
                    hint=f"Choose from fields = {images!r}",
                    obj=model,
                    id="visualsnoop.E003",
                )


def _check_key(model: type[VisualSnoopMixin]) -> Iterator[CheckMessage]:
    if isinstance(model._meta.pk, models.CompositePrimaryKey):
        yield Error(
            f"{model._meta.label} has a composite primary key, but image ids require a key of one "
            "column.",
            hint=(
                "Use a primary key of one column, such as "
                "id = models.BigAutoField(primary_key=True), and add a UniqueConstraint on "
                f"{list(model._meta.pk.field_names)!r}."
            ),
            obj=model,
            id="visualsnoop.E008",
        )


def _check_cascades(model: type[VisualSnoopMixin]) -> Iterator[CheckMessage]:
    for field in _cascading(model):
        if field.model is not model and hasattr(field.model, "VisualSnoop"):
            continue  # the parent that declares the field reports it
        above = [one._meta.label for one in _deleting(field.related_model)]
        yield Warning(
            f"{field} uses on_delete=DB_CASCADE. When a {' or a '.join(above)} is deleted, the "
            "database deletes rows without sending signals, so their images stay in the "
            "collection.",
            hint=(
                f"Set on_delete=models.CASCADE for {field.name}, or run "
                f"python manage.py visualsnoop_reindex {model._meta.label} --missing --prune "
                "after such deletions."
            ),
            obj=field,
            id="visualsnoop.W001",
        )


def _cascading(model: type[models.Model]) -> list[Any]:
    """Return the foreign keys of the model that cascade inside the database."""
    cascade = getattr(models, "DB_CASCADE", None)  # Django 6.1
    if cascade is None:
        return []
    return [
        field
        for field in model._meta.concrete_fields
        if field.remote_field is not None and field.remote_field.on_delete is cascade
    ]


def _deleting(model: type[models.Model]) -> list[type[models.Model]]:
    """Return a model, and the models whose deletion cascades to it."""
    found: list[type[models.Model]] = []
    waiting = [model]
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found.append(one)
            waiting += [field.related_model for field in _cascading(one)]
    return found


def check_has_fields(model: type[VisualSnoopMixin]) -> Iterator[CheckMessage]:
    """Check that the model, or a subclass of it, has an indexed field."""
    if getattr(model.VisualSnoop, "fields", None) is not None:
        return
    if any(issubclass(one, model) and indexed_fields(one) for one in apps.get_models()):
        return
    others = [f.name for f in model._meta.concrete_fields if isinstance(f, models.FileField)]
    instead = f" (it has a FileField: {', '.join(others)})" if others else ""
    yield Warning(
        f"{model._meta.label} uses VisualSnoopMixin but has no ImageField{instead}, so nothing is "
        "indexed.",
        hint=(
            f'In {model.__name__}, add photo = models.ImageField(upload_to="photos"), '
            "or remove VisualSnoopMixin."
        ),
        obj=model,
        id="visualsnoop.W022",
    )


def check_descriptors(model: type[VisualSnoopMixin]) -> Iterator[CheckMessage]:
    """Check that no other app has replaced the descriptor that tracks assignments."""
    for field in indexed_fields(model):
        descriptor = getattr(model, field.name, None)
        if _is_tracked(descriptor):
            continue
        kind = type(descriptor)
        app = kind.__module__.partition(".")[0]
        yield Warning(
            f"{model._meta.label}.{field.name}: {kind.__module__}.{kind.__name__} has replaced the "
            "descriptor that tracks the field, so saving a loaded row does not detect a new "
            "picture.",
            hint=(
                f'In INSTALLED_APPS, move "{app}", or the app that uses it, before '
                '"django_visualsnoop".'
            ),
            obj=model,
            id="visualsnoop.W024",
        )


def _is_tracked(descriptor: object) -> bool:
    """Whether the descriptor, or one that it wraps, tracks assignments."""
    held = vars(descriptor).values() if hasattr(descriptor, "__dict__") else ()
    return any(isinstance(one, TrackedDescriptor) for one in (descriptor, *held))


def configured_collections() -> dict[str, Any] | None:
    """Return the collections by alias; ``None`` if the setting is not a dict."""
    try:
        return collections.settings
    except ImproperlyConfigured:
        return None
