"""Which rows cannot refer to another row because of a unique constraint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.expressions import OrderBy

from django_visualsnoop.merging.relations import split_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.merging.relations import Reference


@dataclass(frozen=True)
class Unique:
    """One unique constraint that contains the column of a reference."""

    #: The other columns, by attribute, and expressions.
    others: tuple[str, ...]
    expressions: tuple[Any, ...] = ()
    condition: models.Q | None = None
    nulls_distinct: bool = True


def uniques_of(reference: Reference) -> list[Unique]:
    """Return the unique constraints that contain the column of a reference.

    An expression that contains the column is left out: only the database can tell its value after
    the change.
    """
    options, moved = reference.model._meta, reference.field
    sets = [tuple(names) for names in options.unique_together]
    sets += [(moved.name,)] if moved.unique and not moved.primary_key else []
    sets += [tuple(field.name for field in options.pk_fields)]
    found = [Unique(_without(reference, names)) for names in sets if moved.name in names]
    for constraint in options.constraints:
        if not isinstance(constraint, models.UniqueConstraint):
            continue
        expressions: list[Any] = [
            one.expression if isinstance(one, OrderBy) else one for one in constraint.expressions
        ]
        plain: list[Any] = [one for one in expressions if isinstance(one, models.F)]
        names = [*constraint.fields, *(one.name for one in plain)]
        if moved.name not in names:
            continue
        found.append(
            Unique(
                _without(reference, names),
                tuple(one for one in expressions if not isinstance(one, models.F)),
                constraint.condition,
                constraint.nulls_distinct is not False,
            )
        )
    return found


def _without(reference: Reference, names: Sequence[str]) -> tuple[str, ...]:
    fields: list[Any] = [reference.model._meta.get_field(name) for name in names]
    return tuple(field.attname for field in fields if field is not reference.field)


def find_collisions(
    reference: Reference,
    merges: Sequence[Sequence[models.Model]],
    uniques: Sequence[Unique],
    using: str,
) -> list[dict[Any, Any]]:
    """Return which rows cannot refer to the kept row of each merge.

    Args:
        reference: the column.
        merges: the row that all are to refer to, then the rows that they refer to now. Of rows
            that collide with each other, the one of the first of these may refer to the kept row.
        uniques: the constraints that contain the column.
        using: alias of the database.

    Returns:
        Of each merge, the primary keys with that of the row that each would collide with.
    """
    if not uniques:
        return [{} for _ in merges]
    rows = reference.rows_of([row for merge in merges for row in merge], using)
    values: list[dict[Any, tuple[Any, ...]]] = []
    for unique in uniques:
        names = {f"_unique_{n}": one for n, one in enumerate(unique.expressions)}
        found = rows.filter(unique.condition) if unique.condition else rows
        columns = found.annotate(**names).values_list("pk", *unique.others, *names)
        values.append(
            {
                key: tuple(rest)
                for key, *rest in columns
                if None not in rest or not unique.nulls_distinct
            }
        )
    keys = split_rows(reference, merges, rows.values_list("pk", reference.field.attname))
    return [
        _collide(own, {reference.value_in(row): n for n, row in enumerate(merge)}, values)
        for merge, own in zip(merges, keys, strict=True)
    ]


def _collide(
    rows: list[tuple[Any, Any]], place: dict[Any, int], values: list[dict[Any, tuple[Any, ...]]]
) -> dict[Any, Any]:
    taken: list[dict[tuple[Any, ...], Any]] = [{} for _ in values]
    collisions: dict[Any, Any] = {}
    for key, _ in sorted(rows, key=lambda row: place.get(row[1], len(place))):
        wanted = [(one[key], by) for one, by in zip(values, taken, strict=True) if key in one]
        occupied = [by[value] for value, by in wanted if value in by]
        if occupied:
            collisions[key] = occupied[0]
            continue
        for value, by in wanted:
            by[value] = key
    return collisions
