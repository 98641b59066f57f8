"""The options of a model's inner ``class VisualSnoop``, resolved and cached."""

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

# Every module that defines a model of this app imports this one first.
require_installed()

DEFAULT_IMAGE_ID = "{model}.{field}:{pk}"
PLACEHOLDERS = ("model", "field", "database", "pk")
#: Valid options of ``class VisualSnoop``.
OPTION_NAMES = ("fields", "collection", "image_id", "condition_fields")

#: An attribute that identifies a model with ``VisualSnoopMixin``. It is not a base class, because
#: migrations keep bases that are not models, so users' migrations would import it.
_MARK = "_visualsnoop_always_index"

#: Namespace of the UUIDs that identify sync records.
RECORD_NAMESPACE = UUID("6f0a9bd2-6d0c-5e5c-8c1e-1c8f6a1d7f43")


@dataclass(frozen=True)
class IndexedField:
    """One image field whose pictures are indexed in a collection.

    ``owner`` is the concrete model that declares the field, so that a row has the same image
    whether it is saved as a parent, a child or a proxy.
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
        """Whether the image ids contain the database of the row."""
        return self.affixes("a") != self.affixes("b")

    @cached_property
    def has_condition(self) -> bool:
        """Whether the model overrides ``visualsnoop_should_index()``."""
        own = getattr(self.owner, "visualsnoop_should_index", None)
        return own is not getattr(self.owner, _MARK)

    def object_id(self, instance: models.Model) -> str:
        """Return the row's key as text; the instance may be of a child or a proxy of the owner."""
        key = getattr(instance, self.key.attname)
        return self.key_text(key, instance._state.db or DEFAULT_DB_ALIAS)

    @property
    def key(self) -> models.Field[Any, Any]:
        return self.owner._meta.pk

    def key_text(self, key: object, database: str = DEFAULT_DB_ALIAS) -> str:
        """Return a key as text, the same for every spelling that the field accepts.

        Args:
            key: the key from the project's code or from the row.
            database: alias of the database that stores the row.
        """
        key = stored_key(self.key, key, database)
        # str() of a text enumeration's member would contain the name of its class.
        return str.__str__(key) if isinstance(key, str) else str(key)

    def key_value(self, object_id: object, database: str = DEFAULT_DB_ALIAS) -> Any:
        """Return the primary key for ``object_id``, as the row has it.

        Raises:
            ValidationError: the text is not a valid key of this model.
        """
        return stored_key(self.key, object_id, database)

    def may_be_spelled_otherwise(self, database: str) -> bool:
        """Whether the database may find a row by another spelling of its key, such as by case."""
        return matches_other_spellings(self.key, database)

    def image_id(self, object_id: str, database: str) -> str:
        prefix, suffix = self.affixes(database)
        return f"{prefix}{object_id}{suffix}"

    def key_from_image_id(self, image_id: str, database: str) -> Any | None:
        """Return the primary key in an image id, or ``None`` if it belongs to another field."""
        prefix, suffix = self.affixes(database)
        if len(image_id) <= len(prefix) + len(suffix):
            return None
        if not (image_id.startswith(prefix) and image_id.endswith(suffix)):
            return None
        return self.key_of(image_id[len(prefix) : len(image_id) - len(suffix)], database)

    def key_of(self, object_id: str, database: str = DEFAULT_DB_ALIAS) -> Any | None:
        """Return the primary key with this text, or ``None`` if no key has it."""
        try:
            key = read_key(self.key, object_id, database)
        except ValidationError:
            return None
        # "007" parses as the integer 7, whose image has another id.
        return key if self.key_text(key, database) == object_id else None

    def record_id(self, object_id: str) -> UUID:
        """Return the sync record's primary key: the same in every process and database."""
        return uuid5(
            RECORD_NAMESPACE, "\0".join((self.collection, self.label, self.name, object_id))
        )

    def affixes(self, database: str) -> tuple[str, str]:
        """Return the parts of an image id before and after the key."""
        prefix, suffix = split_template(self.template)
        values = {"model": self.label, "field": self.name, "database": database}
        return prefix.format(**values), suffix.format(**values)


def split_template(template: str) -> tuple[str, str]:
    """Split an image id template at ``{pk}``.

    Raises:
        ImproperlyConfigured: ``{pk}`` does not occur exactly once, or a placeholder is unknown.
    """
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ImproperlyConfigured(f"image_id = {template!r}: {error}.") from error
    unknown = sorted(set(names) - set(PLACEHOLDERS))
    if unknown or names.count("pk") != 1 or "{pk}" not in template:
        raise ImproperlyConfigured(
            f"image_id = {template!r} must contain {{pk}} exactly once. Valid placeholders are "
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
    # Django rebuilds this list when an app adds a field, which may be after our ready().
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
        ValueError: the model does not index such a field.
    """
    for field in indexed_fields(model):
        if field.name == name:
            return field
    known = ", ".join(repr(field.name) for field in indexed_fields(model)) or "none"
    raise ValueError(
        f"{model._meta.label} does not index a field {name!r}. Indexed fields: {known}."
    )


def field_by_label(label: str, name: str) -> IndexedField | None:
    """Return the field that a sync record names; ``None`` if the code no longer indexes it."""
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
            f"{model._meta.label} is not indexed. Add the mixin to it: "
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
    """Yield ``shop`` and ``shop_id`` for either, because ``update_fields`` may contain both."""
    for name in names:
        yield name
        with suppress(FieldDoesNotExist):  # a system check reports it
            field: Any = model._meta.get_field(name)
            yield field.name
            yield getattr(field, "attname", field.name)


#: Model → its concrete fields when it was resolved, and its indexed fields.
_cache: dict[type[models.Model], tuple[object, tuple[IndexedField, ...]]] = {}
