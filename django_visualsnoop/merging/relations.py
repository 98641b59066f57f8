"""Which columns of a project refer to the rows of a model.

Every relation comes down to such a column: a foreign key, a one-to-one field, each side of a
many-to-many field's table, and the object id of a generic foreign key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models, router
from django.utils.text import capfirst

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: What Django, or from Django 6.1 on the database, deletes together with the row.
CASCADES = frozenset(
    getattr(models, name) for name in ("CASCADE", "DB_CASCADE") if hasattr(models, name)
)
#: What Django refuses to delete.
PROTECTS = frozenset((models.PROTECT, models.RESTRICT))


@dataclass(frozen=True)
class Reference:
    """A column whose values name rows of ``target``."""

    #: The model with the column; it may be a table that Django made for a many-to-many field.
    model: type[models.Model]
    field: models.Field[Any, Any]
    target: type[models.Model]
    #: The attribute of ``target`` that the column contains.
    target_attname: str
    on_delete: Any
    #: For a generic foreign key: the column of the content type, and the values for ``target``.
    content_type_attname: str = ""
    content_type_ids: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    @property
    def label(self) -> str:
        """The rows in words, such as "Reviews"; for a plain link, the field and its owner."""
        owner: Any = self.model._meta.auto_created
        if not owner:
            return str(capfirst(self.model._meta.verbose_name_plural))
        for field in owner._meta.local_many_to_many:
            if field.remote_field.through is self.model:
                return f"{capfirst(owner._meta.verbose_name)}: {field.verbose_name}"
        return str(capfirst(owner._meta.verbose_name_plural))

    @property
    def is_key(self) -> bool:
        """Whether the column is a part of its own table's primary key."""
        return self.field in self.model._meta.pk_fields

    @property
    def cascades(self) -> bool:
        return self.on_delete in CASCADES

    def value_in(self, row: models.Model) -> Any:
        """Return what the column contains if it refers to this row of ``target``."""
        return self.field.get_prep_value(getattr(row, self.target_attname))

    def rows_of(self, targets: Iterable[models.Model], using: str) -> models.QuerySet[Any]:
        """Return the rows that refer to one of these, also those that managers leave out."""
        values = [value for row in targets if (value := self.value_in(row)) is not None]
        rows = every_row(self.model, using).filter(**{f"{self.field.attname}__in": values})
        if self.content_type_attname:
            rows = rows.filter(**{f"{self.content_type_attname}__in": self.content_type_ids})
        return rows


class UnknownValueError(Exception):
    """The database takes a value for one that Python does not, such as other letters."""


def split_rows(
    reference: Reference,
    merges: Sequence[Sequence[models.Model]],
    rows: Iterable[tuple[Any, Any]],
) -> list[list[tuple[Any, Any]]]:
    """Return the rows that refer to the rows of each merge.

    Args:
        reference: the column.
        merges: rows of ``reference.target``.
        rows: the primary keys and columns of rows that refer to any of them.

    Raises:
        UnknownValueError: there are several merges, and a row cannot be assigned to one.
    """
    if len(merges) == 1:
        return [list(rows)]
    places: dict[Any, list[int]] = {}
    for place, merge in enumerate(merges):
        for target in merge:
            places.setdefault(reference.value_in(target), []).append(place)
    found: list[list[tuple[Any, Any]]] = [[] for _ in merges]
    for key, value in rows:
        if value not in places:
            raise UnknownValueError
        for place in places[value]:
            found[place].append((key, value))
    return found


def every_row(model: type[models.Model], using: str) -> models.QuerySet[Any]:
    """Return all rows of a model: its managers may leave some out, but the database does not."""
    return models.QuerySet(model, using=using)


def rows_to_update(model: type[models.Model], using: str) -> models.QuerySet[Any]:
    """Return all rows of a model through its own QuerySet class, which may extend ``update()``."""
    queryset: type[models.QuerySet[Any]] = type(model._default_manager.none())
    return queryset(model, using=using)


def with_parents(model: type[models.Model]) -> list[type[models.Model]]:
    """Return a concrete model and the concrete models that it inherits, parents first."""
    found: dict[type[models.Model], None] = {}
    for parent in model._meta.parents:
        found.update(dict.fromkeys(with_parents(parent._meta.concrete_model or parent)))
    return [*found, model]


def children_of(model: type[models.Model]) -> list[models.OneToOneField[Any, Any]]:
    """Return the parent links of the models that inherit this one directly."""
    return [field for field in _referring_fields(model) if field.remote_field.parent_link]


def references_to(model: type[models.Model], using: str) -> list[Reference]:
    """Return the references to a concrete model's own table; its parents have others.

    Args:
        model: a concrete model.
        using: alias of the database; models that are not in it have no rows that could refer.
    """
    found = []
    for field in _referring_fields(model):
        if field.remote_field.parent_link or not _is_here(field.model, using):
            continue
        on_delete = field.remote_field.on_delete
        if not field.model._meta.managed and on_delete is models.DO_NOTHING:
            continue  # a view
        (target,) = field.foreign_related_fields
        found.append(Reference(field.model, field, model, target.attname, on_delete))
    return [*found, *_generic_references(model, using)]


def _referring_fields(model: type[models.Model]) -> list[Any]:
    """Return the foreign keys and one-to-one fields with a column that name this model."""
    relations: list[Any] = model._meta.get_fields(include_parents=False, include_hidden=True)
    return [
        related.field
        for related in relations
        if related.auto_created
        and not related.concrete
        and (related.one_to_one or related.one_to_many)
        and related.field.concrete
    ]


def _is_here(model: type[models.Model], using: str) -> bool:
    return bool(router.allow_migrate_model(using, model))


def _generic_references(model: type[models.Model], using: str) -> Iterator[Reference]:
    if not apps.is_installed("django.contrib.contenttypes"):
        return
    from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation

    cascading = {
        (one.remote_field.model._meta.concrete_model, one.object_id_field_name)
        for one in model._meta.private_fields
        if isinstance(one, GenericRelation)
    }
    types: tuple[int, ...] | None = None
    for other in apps.get_models(include_auto_created=True):
        if other._meta.proxy or not _is_here(other, using):
            continue
        for generic in other._meta.private_fields:
            if not isinstance(generic, GenericForeignKey):
                continue
            field: Any = other._meta.get_field(generic.fk_field)
            if field.model is not other or not _holds_keys_of(field, model):
                continue  # inherited, or for models with keys of another kind
            if types is None:
                types = _content_types(model, using)
            content_type: Any = other._meta.get_field(generic.ct_field)
            cascades = (other, generic.fk_field) in cascading
            yield Reference(
                field.model,
                field,
                model,
                model._meta.pk.attname,
                models.CASCADE if cascades else models.DO_NOTHING,
                content_type.attname,
                types,
            )


def _content_types(model: type[models.Model], using: str) -> tuple[int, ...]:
    """Return the ids of the content types of a model and its proxies, in this database."""
    from django.contrib.contenttypes.models import ContentType

    named = models.Q()
    for one in apps.get_models():
        if one._meta.concrete_model is model:
            named |= models.Q(app_label=one._meta.app_label, model=one._meta.model_name)
    return tuple(ContentType.objects.using(using).filter(named).values_list("pk", flat=True))


def _holds_keys_of(field: models.Field[Any, Any], model: type[models.Model]) -> bool:
    """Whether a column for object ids can contain the primary keys of a model."""
    key: Any = model._meta.pk
    while key.remote_field:
        key = key.target_field
    if isinstance(field, models.IntegerField):
        return isinstance(key, models.IntegerField)
    return isinstance(field, models.CharField | models.TextField | type(key))
