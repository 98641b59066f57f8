"""What a merge of rows would do, without doing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import models, router
from django.utils.text import capfirst

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.exceptions import MergeError
from django_visualsnoop.merging.cascade import Cascade
from django_visualsnoop.merging.movements import Level, Movement, find_levels, find_movements
from django_visualsnoop.merging.relations import every_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_EMPTY = (None, "")


@dataclass(frozen=True)
class RelatedRows:
    """A number of rows of one model, for people to read."""

    #: In words: the model's plural name, or the field of a plain link.
    label: str
    model: type[models.Model]
    #: Name of the field that refers to the merged rows; empty if several do, or for a child's row.
    field: str
    count: int

    def __str__(self) -> str:
        return f"{self.label}: {self.count}"


@dataclass(frozen=True)
class Fill:
    """A value for a field that the kept row leaves empty."""

    name: str
    label: str
    value: Any
    source: models.Model


@dataclass(frozen=True)
class MergePlan:
    """What a merge would do. The lists of related rows leave out relations without rows."""

    #: The concrete model of the rows.
    model: type[models.Model]
    kept: models.Model | None
    others: Sequence[models.Model]
    using: str
    #: Fields of the kept row that are empty and that others fill, by name.
    fillable: dict[str, Fill]
    #: The names of those that the merge will fill.
    fill: tuple[str, ...]
    levels: Sequence[Level] = field(repr=False)
    movements: Sequence[Movement] = field(repr=False)

    @property
    def moves(self) -> list[RelatedRows]:
        """Rows that will refer to the kept row."""
        return _by_relation((one, one.count) for one in self.movements)

    @property
    def repeated(self) -> list[RelatedRows]:
        """Links without data of their own that the kept row has already; they are deleted."""
        seen: dict[type[models.Model], set[Any]] = {}  # a link may be among two of the others
        counts = []
        for one in self.movements:
            known = seen.setdefault(one.reference.model, set())
            counts.append((one, len(set(one.repeated) - known)))
            known.update(one.repeated)
        return _by_relation(counts)

    @property
    def conflicts(self) -> list[RelatedRows]:
        """Rows that cannot refer to the kept row: they stay with the others, and go with them."""
        children = [
            RelatedRows(_plural(level.model), level.model, "", len(level.others))
            for level in self.levels
            if level.kept is None and self.kept is not None
        ]
        stuck = _by_relation((one, len(one.conflicting)) for one in self.movements)
        return [*children, *stuck]

    @property
    def deleted(self) -> list[RelatedRows]:
        """Rows that a deletion of the others would delete with them."""
        own = {level.model: len(level.others) for level in self.levels}
        counts = {
            model: len(rows) - own.get(model, 0) for model, rows in self._cascade.deleted.items()
        }
        return _counted(counts)

    @property
    def protected(self) -> list[RelatedRows]:
        """Rows that prevent a deletion of the others."""
        return _counted({model: len(rows) for model, rows in self._cascade.refusing().items()})

    @cached_property
    def freed_bytes(self) -> int | None:
        """The size of the others' files that the kept row does not use; ``None`` if unknown."""
        files = dict(_files_of(self.others))
        for used, _ in _files_of([self.kept] if self.kept is not None else []):
            files.pop(used, None)
        for name in self.fill:
            files.pop((name, getattr(self.fillable[name].value, "name", "")), None)
        try:
            return sum(int(file.size) for file in files.values())
        except Exception as error:  # a storage may raise anything
            if is_interruption(error):
                raise
            return None

    @cached_property
    def _cascade(self) -> Cascade:
        cascade = Cascade(self.using)
        if self.kept is None:
            cascade.delete(self.model, self.others)
            return cascade
        # All other relations are followed by the movements.
        for level in self.levels:
            if level.kept is None:
                cascade.delete(level.model, level.others)
            else:
                key = level.model._meta.pk.attname
                rows = {getattr(row, key): row for row in level.others}
                cascade.deleted.setdefault(level.model, {}).update(rows)
        for one in self.movements:
            if one.conflicting:
                rows_left = every_row(one.reference.model, self.using)
                cascade.follow(one.reference, rows_left.filter(pk__in=one.conflicting))
        return cascade


def plan_merge(
    kept: models.Model | None,
    others: Iterable[models.Model],
    *,
    using: str | None = None,
    fill: Collection[str] = (),
) -> MergePlan:
    """Read what ``merge_rows()`` with the same arguments would do. Nothing changes.

    Args:
        kept: the row that the related rows of the others will refer to; ``None`` to only delete
            the others.
        others: the rows to remove, of the same model.
        using: alias of the database; that of the rows if not given.
        fill: names of empty fields of ``kept`` to fill from the first of the others that has a
            value.

    Raises:
        MergeError: the rows are not saved rows of one model, or a name is not fillable.
    """
    (plan,) = plan_merges([(kept, list(others))], using=using, fill=fill)
    return plan


def plan_merges(
    merges: Sequence[tuple[models.Model | None, Sequence[models.Model]]],
    *,
    using: str | None = None,
    fill: Collection[str] = (),
) -> list[MergePlan]:
    """Read what several calls of ``merge_rows()`` would do, each as if it were the only one.

    This costs as many queries as one plan.

    Args:
        merges: the row to keep, or ``None``, and the rows to remove; all of one model and database.
        using, fill: see ``plan_merge()``.

    Raises:
        MergeError: see ``plan_merge()``.
    """
    if not merges:
        return []
    found = {check_rows(kept, others) for kept, others in merges}
    if len(found) > 1:
        labels = ", ".join(sorted(one._meta.label for one in found))
        raise MergeError(f"All merges that are planned at once must be of one model, not {labels}.")
    (model,) = found
    kept, others = merges[0]
    using = using or router.db_for_write(model, instance=kept or others[0])
    fillable = [{} if kept is None else _find_fillable(model, kept, rows) for kept, rows in merges]
    for one in fillable:
        if unknown := sorted(set(fill) - set(one)):
            raise MergeError(
                f"{', '.join(unknown)} of {model._meta.label} cannot be filled. Fillable are: "
                f"{', '.join(one) or 'none'}."
            )
    levels = find_levels(merges, using)
    movements = find_movements(levels, using)
    return [
        MergePlan(model, kept, others, using, filled, tuple(fill), tables, moved)
        for (kept, others), filled, tables, moved in zip(
            merges, fillable, levels, movements, strict=True
        )
    ]


def check_rows(kept: models.Model | None, others: Sequence[models.Model]) -> type[models.Model]:
    """Return the concrete model of the rows of a merge.

    Raises:
        MergeError: the rows are not saved rows of one model.
    """
    if not others:
        raise MergeError("A merge needs at least one row to remove beside the one to keep.")
    rows = [*others, *([kept] if kept is not None else [])]
    model = others[0]._meta.concrete_model
    assert model is not None
    for row in rows:
        if row._meta.concrete_model is not model:
            raise MergeError(
                f"All rows of a merge must be of one model, but there are rows of "
                f"{model._meta.label} and of {row._meta.label}."
            )
        if row.pk is None:
            raise MergeError(f"A row of {model._meta.label} is not saved, so it cannot be merged.")
    if len({row.pk for row in rows}) < len(rows):
        raise MergeError(f"A row of {model._meta.label} is named twice in a merge.")
    return model


def _find_fillable(
    model: type[models.Model], kept: models.Model, others: Sequence[models.Model]
) -> dict[str, Fill]:
    merged = {row.pk for row in (kept, *others)}
    found = {}
    for one in _fields_to_fill(model):
        if _value_of(one, kept) not in _EMPTY:
            continue
        own = one.remote_field and one.related_model._meta.concrete_model is model
        for other in others:
            value = _value_of(one, other)
            if value not in _EMPTY and not (own and value in merged):
                label = str(capfirst(one.verbose_name))
                found[one.name] = Fill(one.name, label, getattr(other, one.attname), other)
                break
    return found


def _fields_to_fill(model: type[models.Model]) -> list[Any]:
    """Return the fields that a person may fill, without pictures and what belongs to them."""
    fields: list[Any] = list(model._meta.concrete_fields)
    pictures: list[Any] = [one for one in fields if isinstance(one, models.ImageField)]
    sizes = {size for one in pictures for size in (one.width_field, one.height_field)}
    return [
        one
        for one in fields
        if one.editable
        and not one.primary_key
        and not one.generated
        and one not in pictures
        and one.name not in sizes
    ]


def _value_of(one: Any, row: models.Model) -> Any:
    value = getattr(row, one.attname)
    return value.name if isinstance(one, models.FileField) else value


def _files_of(rows: Iterable[models.Model]) -> list[tuple[tuple[str, str], Any]]:
    """Return the files of rows by field and name."""
    return [
        ((one.name, file.name), file)
        for row in rows
        for one in row._meta.concrete_fields
        if isinstance(one, models.FileField) and (file := getattr(row, one.attname))
    ]


def _by_relation(counts: Iterable[tuple[Movement, int]]) -> list[RelatedRows]:
    """Add up the rows of each relation; several columns may have one label."""
    found: dict[tuple[str, type[models.Model]], RelatedRows] = {}
    for movement, count in counts:
        if not count:
            continue
        reference = movement.reference
        key, name = (reference.label, reference.model), reference.field.name
        if (known := found.get(key)) is not None:
            count, name = count + known.count, name if name == known.field else ""
        found[key] = RelatedRows(*key, name, count)
    return list(found.values())


def _plural(model: type[models.Model]) -> str:
    return str(capfirst(model._meta.verbose_name_plural))


def _counted(counts: dict[type[models.Model], int]) -> list[RelatedRows]:
    return [
        RelatedRows(_plural(model), model, "", count) for model, count in counts.items() if count
    ]
