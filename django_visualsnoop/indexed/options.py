"""What a model says in its inner ``class VisualSnoop``, resolved and cached."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from django.db import DEFAULT_DB_ALIAS, models

from django_visualsnoop.collections import DEFAULT_COLLECTION_ALIAS
from django_visualsnoop.common.installed import require_installed
from django_visualsnoop.indexed.descriptors import track
from django_visualsnoop.indexed.keys import matches_other_spellings, read_key, stored_key

if TYPE_CHECKING:
    from collections.abc import Iterable

# Whatever defines a model of this app comes after this module.
require_installed()

DEFAULT_IMAGE_ID = "{model}.{field}:{pk}"
PLACEHOLDERS = ("model", "field", "database", "pk")
#: Options that ``class VisualSnoop`` may name.
OPTION_NAMES = ("fields", "collection", "image_id", "condition_fields")

#: The attribute by which a model with ``VisualSnoopMixin`` is known. Not a base class: historical
#: models in migrations keep bases that are no models, and users' migrations would name it.
_MARK = "_visualsnoop_always_index"

#: Namespace of the UUIDs that identify sync records.
RECORD_NAMESPACE = UUID("6f0a9bd2-6d0c-5e5c-8c1e-1c8f6a1d7f43")


@dataclass(frozen=True)
class IndexedField:
    """One image field whose pictures are kept in a collection.

    ``owner`` is the concrete model that declares the field, so that a row saved through a
    parent, a child or a proxy is the same image of the same collection.
    """

    owner: type[models.Model]
    name: str
    collection: str
    template: str
    condition_fields: frozenset[str] | None

    def __str__(self) -> str:
        return f"{self.owner._meta.label}.{self.name}"

    @cached_property
    def label(self) -> str:
        return self.owner._meta.label_lower

    @cached_property
    def names_database(self) -> bool:
        """Whether the ids of its images say which database the row is in."""
        return self.affixes("a") != self.affixes("b")

    @cached_property
    def has_condition(self) -> bool:
        """Whether the model decides by itself which of its rows are indexed."""
        own = getattr(self.owner, "visualsnoop_should_index", None)
        return own is not getattr(self.owner, _MARK)

    def object_id(self, instance: models.Model) -> str:
        """Return the row's key as text; also right for a child or a proxy of the owner."""
        key = getattr(instance, self.key.attname)
        return self.key_text(key, instance._state.db or DEFAULT_DB_ALIAS)

    @property
    def key(self) -> models.Field[Any, Any]:
        return self.owner._meta.pk

    def key_text(self, key: object, database: str = DEFAULT_DB_ALIAS) -> str:
        """Return the text of a key, the same for every spelling that the field takes.

        Args:
            key: what the project's code or the row has.
            database: alias of the database that holds the row.
        """
        key = stored_key(self.key, key, database)
        # A member of an enumeration that is text says its class, too, when it is asked by str().
        return str.__str__(key) if isinstance(key, str) else str(key)

    def key_value(self, object_id: object, database: str = DEFAULT_DB_ALIAS) -> Any:
        """Return the primary key that ``object_id`` stands for, as the row has it.

        Raises:
            ValidationError: the text is no key of this model.
        """
        return stored_key(self.key, object_id, database)

    def may_be_spelled_otherwise(self, database: str) -> bool:
        """Whether the database may find a row by a key that differs from the row's, as by case."""
        return matches_other_spellings(self.key, database)

    def image_id(self, object_id: str, database: str) -> str:
        prefix, suffix = self.affixes(database)
        return f"{prefix}{object_id}{suffix}"

    def key_from_image_id(self, image_id: str, database: str) -> Any | None:
        """Return the primary key behind an image id, or ``None`` if it is not of this field."""
        prefix, suffix = self.affixes(database)
        if len(image_id) <= len(prefix) + len(suffix):
            return None
        if not (image_id.startswith(prefix) and image_id.endswith(suffix)):
            return None
        return self.key_of(image_id[len(prefix) : len(image_id) - len(suffix)], database)

    def key_of(self, object_id: str, database: str = DEFAULT_DB_ALIAS) -> Any | None:
        """Return the primary key written in this way, or ``None`` if none is."""
        try:
            key = read_key(self.key, object_id, database)
        except ValidationError:
            return None
        # "007" reads as the integer 7, whose image has another id.
        return key if self.key_text(key, database) == object_id else None

    def record_id(self, object_id: str) -> UUID:
        """Return the sync record's primary key: the same in every process and database."""
        return uuid5(
            RECORD_NAMESPACE, "\0".join((self.collection, self.label, self.name, object_id))
        )

    def affixes(self, database: str) -> tuple[str, str]:
        """Return what stands before and after the key in an image id."""
        prefix, suffix = split_template(self.template)
        values = {"model": self.label, "field": self.name, "database": database}
        return prefix.format(**values), suffix.format(**values)


def split_template(template: str) -> tuple[str, str]:
    """Split an image id template at ``{pk}``.

    Raises:
        ImproperlyConfigured: no ``{pk}``, two of them, or an unknown placeholder.
    """
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ImproperlyConfigured(f"image_id = {template!r}: {error}.") from error
    unknown = sorted(set(names) - set(PLACEHOLDERS))
    if unknown or names.count("pk") != 1 or "{pk}" not in template:
        raise ImproperlyConfigured(
            f"image_id = {template!r} must contain {{pk}} once and no placeholders but "
            f"{', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}. "
            f"Example: image_id = {DEFAULT_IMAGE_ID!r}"
        )
    prefix, _, suffix = template.partition("{pk}")
    return prefix, suffix


def is_indexed(model: type) -> bool:
    """Whether a model uses ``VisualSnoopMixin``."""
    return hasattr(model, _MARK)


def indexed_fields(model: type[models.Model]) -> tuple[IndexedField, ...]:
    """Return the indexed image fields of a model, inherited ones included.

    Raises:
        ImproperlyConfigured: the model does not use ``VisualSnoopMixin``.
    """
    concrete = model._meta.concrete_model
    assert concrete is not None
    declared = concrete._meta.concrete_fields
    known = _cache.get(concrete)
    # Django makes the list anew when an app adds a field, which it may do after our ready().
    if known is not None and known[0] is declared:
        return known[1]
    fields = tuple(_resolve(concrete))
    _cache[concrete] = declared, fields
    if known is not None and known[1] != fields:
        track(concrete, fields)
    return fields


def indexed_field(model: type[models.Model], name: str) -> IndexedField:
    """Return one indexed field by name.

    Raises:
        ValueError: the model indexes no such field.
    """
    for field in indexed_fields(model):
        if field.name == name:
            return field
    known = ", ".join(repr(field.name) for field in indexed_fields(model)) or "none"
    raise ValueError(f"{model._meta.label} indexes no field {name!r}; it indexes {known}.")


def field_by_label(label: str, name: str) -> IndexedField | None:
    """Return the field that a sync record names; ``None`` if the code no longer has it."""
    try:
        model = apps.get_model(label)
        return indexed_field(model, name)
    except (LookupError, ValueError, ImproperlyConfigured):
        return None


def all_indexed_fields() -> list[IndexedField]:
    """Return every indexed field of the project, each once."""
    found: dict[tuple[str, str, str], IndexedField] = {}
    for model in apps.get_models():
        if is_indexed(model):
            for field in indexed_fields(model):
                found[field.collection, field.label, field.name] = field
    return list(found.values())


def _resolve(model: type[models.Model]) -> Iterable[IndexedField]:
    if not is_indexed(model):
        raise ImproperlyConfigured(
            f"{model._meta.label} is not indexed. Make it a subclass: "
            f"class {model.__name__}(VisualSnoopMixin, models.Model)"
        )
    for field in model._meta.concrete_fields:
        if not isinstance(field, models.ImageField):
            continue
        owner = field.model if is_indexed(field.model) else model
        options: Any = getattr(owner, "VisualSnoop", None)
        names = getattr(options, "fields", None)
        if names is not None and field.name not in names:
            continue
        condition_fields = getattr(options, "condition_fields", None)
        yield IndexedField(
            owner=owner,
            name=field.name,
            collection=getattr(options, "collection", DEFAULT_COLLECTION_ALIAS),
            template=getattr(options, "image_id", DEFAULT_IMAGE_ID),
            condition_fields=None
            if condition_fields is None
            else frozenset(_names_in_every_spelling(owner, condition_fields)),
        )


def _names_in_every_spelling(model: type[models.Model], names: Iterable[str]) -> Iterable[str]:
    """Yield ``shop`` and ``shop_id`` for either: a project may name both when it saves."""
    for name in names:
        yield name
        with suppress(FieldDoesNotExist):  # a check says so
            field: Any = model._meta.get_field(name)
            yield field.name
            yield getattr(field, "attname", field.name)


#: Model → its columns' fields when it was asked, and those of them that are indexed.
_cache: dict[type[models.Model], tuple[object, tuple[IndexedField, ...]]] = {}
