"""Which related rows can refer to the kept row instead, and which cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import models

from django_visualsnoop.indexed.options import is_indexed
from django_visualsnoop.merging.relations import (
    Reference,
    children_of,
    every_row,
    references_to,
    with_parents,
)
from django_visualsnoop.merging.uniqueness import find_collisions, uniques_of
from django_visualsnoop.merging.values import dump_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.merging.uniqueness import Unique


@dataclass(frozen=True)
class Level:
    """The merged rows in one table: of their model, of a parent of it, or of a child."""

    model: type[models.Model]
    #: ``None`` in a child's table that has a row for others only.
    kept: models.Model | None
    others: Sequence[models.Model]


@dataclass
class Movement:
    """What becomes of the rows that refer to the others by one reference."""

    reference: Reference
    kept: models.Model
    uniques: Sequence[Unique] = ()
    #: Primary keys of the rows that will refer to the kept row, by the old value of the column.
    moving: dict[Any, list[Any]] = field(default_factory=dict)
    #: Primary keys of links that the kept row has already, or that are among the merged rows.
    repeated: list[Any] = field(default_factory=list)
    #: Primary keys of the rows that cannot refer to the kept row.
    conflicting: list[Any] = field(default_factory=list)
    #: The kept row, if it refers to one of the others itself: its primary key and the old value.
    own: tuple[Any, Any] | None = None

    @property
    def count(self) -> int:
        """How many rows will refer to the kept row, or the kept row no longer to the others."""
        return sum(map(len, self.moving.values())) + (self.own is not None)


def find_levels(
    kept: models.Model | None, others: Sequence[models.Model], using: str
) -> list[Level]:
    """Return the tables in which the rows have columns.

    Args:
        kept, others: rows of one concrete model.
        using: alias of the database.
    """
    model = others[0]._meta.concrete_model
    assert model is not None
    levels = [Level(table, kept, others) for table in with_parents(model)]
    return [*levels, *_child_levels(levels[-1], using)]


def _child_levels(level: Level, using: str) -> list[Level]:
    found = []
    for link in children_of(level.model):
        rows = [*level.others, *([level.kept] if level.kept is not None else [])]
        keys = [getattr(row, level.model._meta.pk.attname) for row in rows]
        children = {
            getattr(child, link.attname): child
            for child in every_row(link.model, using).filter(**{f"{link.attname}__in": keys})
        }
        others = [children[key] for key in keys[: len(level.others)] if key in children]
        if others:
            kept = children.get(keys[-1]) if level.kept is not None else None
            child = Level(link.model, kept, others)
            found += [child, *_child_levels(child, using)]
    return found


def find_movements(levels: Sequence[Level], using: str) -> list[Movement]:
    """Return what becomes of every row that refers to the others.

    Rows of a table without a row of the kept one are left out: they cannot move.
    """
    merged = {level.model: level for level in levels}
    found = []
    for level in levels:
        if level.kept is None:
            continue
        for reference in references_to(level.model, using):
            movement = _find_movement(reference, level, merged.get(reference.model), using)
            if movement.count or movement.repeated or movement.conflicting:
                found.append(movement)
    return found


def _find_movement(
    reference: Reference, level: Level, merged: Level | None, using: str
) -> Movement:
    assert level.kept is not None
    movement = Movement(reference, level.kept, uniques_of(reference))
    rows = reference.rows_of(level.others, using)
    own = None
    if merged is not None:  # the merged rows refer to each other
        name = merged.model._meta.pk.attname
        rows = rows.exclude(pk__in=[getattr(row, name) for row in merged.others])
        own = getattr(merged.kept, name, None)
    inner = _links_among(reference, level, using)
    values = []
    for key, old in rows.values_list("pk", reference.field.attname):
        if key in inner:
            movement.repeated.append(key)
        elif own is not None and key == own:
            movement.own = (key, old)
        else:
            values.append((key, old))
    if not values:
        return movement
    collisions = find_collisions(reference, level.kept, level.others, movement.uniques, using)
    stuck = _immovable(reference, [key for key, _ in values], using)
    colliding = {key: collisions[key] for key, _ in values if key in collisions}
    repeated = _without_data(reference, colliding, using)
    for key, old in values:
        if key in repeated:
            movement.repeated.append(key)
        elif key in colliding or key in stuck:
            movement.conflicting.append(key)
        else:
            movement.moving.setdefault(old, []).append(key)
    return movement


def _links_among(reference: Reference, level: Level, using: str) -> set[Any]:
    """Return the links of a many-to-many field that join two of the merged rows."""
    if not reference.model._meta.auto_created or level.kept is None:
        return set()
    columns: Sequence[Any] = reference.model._meta.local_concrete_fields
    sides = [
        side
        for side in columns
        if side.remote_field and side.related_model._meta.concrete_model is level.model
    ]
    if len(sides) != 2:
        return set()
    values = [reference.value_in(row) for row in (level.kept, *level.others)]
    among = {f"{side.attname}__in": values for side in sides}
    return set(reference.rows_of(level.others, using).filter(**among).values_list("pk", flat=True))


def _immovable(reference: Reference, keys: Sequence[Any], using: str) -> set[Any]:
    """Return the rows whose key would change, if something depends on that key."""
    if not reference.is_key:
        return set()
    model = reference.model
    if is_indexed(model) or model._meta.parents or children_of(model):
        return set(keys)
    return _referred_to(model, keys, using)


def _without_data(reference: Reference, colliding: dict[Any, Any], using: str) -> set[Any]:
    """Return the rows that say the same as the row they collide with, and nothing refers to."""
    model = reference.model
    if not colliding or model._meta.parents or children_of(model):
        return set()
    rows = every_row(model, using).in_bulk([*colliding, *colliding.values()])
    ignored = {reference.field.attname}
    ignored |= {one.attname for one in model._meta.local_concrete_fields if _is_automatic(one)}

    def data(key: Any) -> dict[str, Any]:
        return {
            name: value for name, value in dump_row(rows[key], model).items() if name not in ignored
        }

    equal = [key for key, other in colliding.items() if data(key) == data(other)]
    return set(equal) - _referred_to(model, equal, using)


def _is_automatic(one: Any) -> bool:
    """Whether the project's users do not write a column: a generated key, a time of saving."""
    if one.primary_key:
        return isinstance(one, models.AutoField) or one.has_default()
    return bool(getattr(one, "auto_now", False) or getattr(one, "auto_now_add", False))


def _referred_to(model: type[models.Model], keys: Sequence[Any], using: str) -> set[Any]:
    """Return which of these rows other rows refer to."""
    if not keys:
        return set()
    found = set()
    references = references_to(model, using)
    rows = every_row(model, using).in_bulk(keys) if references else {}
    for reference in references:
        named = {reference.value_in(row): key for key, row in rows.items()}
        column = reference.field.attname
        values = reference.rows_of(rows.values(), using).values_list(column, flat=True)
        found |= {named[value] for value in values if value in named}
    return found
