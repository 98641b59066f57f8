"""Which related rows can refer to the kept row instead, and which cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import models

from django_visualsnoop.indexed.options import is_indexed
from django_visualsnoop.merging.relations import (
    Reference,
    UnknownValueError,
    children_of,
    every_row,
    references_to,
    split_rows,
    with_parents,
)
from django_visualsnoop.merging.uniqueness import find_collisions, uniques_of
from django_visualsnoop.merging.values import dump_row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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
    merges: Sequence[tuple[models.Model | None, Sequence[models.Model]]], using: str
) -> list[list[Level]]:
    """Return the tables in which the rows of each merge have columns.

    Args:
        merges: the row to keep, if any, and the others; all of one concrete model.
        using: alias of the database.
    """
    model = merges[0][1][0]._meta.concrete_model
    assert model is not None
    tables = with_parents(model)
    children = _child_levels([Level(model, kept, others) for kept, others in merges], using)
    return [
        [*(Level(table, kept, others) for table in tables), *below]
        for (kept, others), below in zip(merges, children, strict=True)
    ]


def _child_levels(levels: Sequence[Level], using: str) -> list[list[Level]]:
    """Return the levels below each of some levels in one table."""
    found: list[list[Level]] = [[] for _ in levels]
    model = levels[0].model
    key = model._meta.pk.attname
    for link in children_of(model):
        rows = [row for one in levels for row in (*one.others, *([one.kept] if one.kept else []))]
        keys = {getattr(row, key) for row in rows}
        children = {
            getattr(child, link.attname): child
            for child in every_row(link.model, using).filter(**{f"{link.attname}__in": keys})
        }
        below = {}
        for place, level in enumerate(levels):
            of_others = [children.get(getattr(row, key)) for row in level.others]
            if others := [child for child in of_others if child is not None]:
                kept = None if level.kept is None else children.get(getattr(level.kept, key))
                below[place] = Level(link.model, kept, others)
        if below:
            deeper = _child_levels(list(below.values()), using)
            for (place, child), more in zip(below.items(), deeper, strict=True):
                found[place] += [child, *more]
    return found


def find_movements(merges: Sequence[Sequence[Level]], using: str) -> list[list[Movement]]:
    """Return what becomes of every row that refers to the others of each merge.

    Rows of a table without a row of the kept one are left out: they cannot move. The number of
    queries does not depend on the number of merges.

    Args:
        merges: what ``find_levels()`` returns.
        using: alias of the database.
    """
    try:
        return _find_movements(merges, using)
    except UnknownValueError:
        return [found for one in merges for found in _find_movements([one], using)]


def _find_movements(merges: Sequence[Sequence[Level]], using: str) -> list[list[Movement]]:
    merged = [{level.model: level for level in levels} for levels in merges]
    tables: dict[type[models.Model], dict[int, Level]] = {}
    for place, levels in enumerate(merges):
        for level in levels:
            if level.kept is not None:
                tables.setdefault(level.model, {})[place] = level
    found: list[list[Movement]] = [[] for _ in merges]
    for table, of_table in tables.items():
        for reference in references_to(table, using):
            own = [merged[place].get(reference.model) for place in of_table]
            movements = _follow(reference, list(of_table.values()), own, using)
            for place, one in zip(of_table, movements, strict=True):
                if one.count or one.repeated or one.conflicting:
                    found[place].append(one)
    return found


def _follow(
    reference: Reference, levels: Sequence[Level], merged: Sequence[Level | None], using: str
) -> list[Movement]:
    """Return what becomes of the rows that refer to the others of each level by one reference.

    Args:
        reference: a reference to the table of the levels.
        levels: the levels, one of each merge.
        merged: the level of the same merge in the referring table, if any.
        using: alias of the database.
    """
    uniques = uniques_of(reference)
    others = [level.others for level in levels]
    every = [row for some in others for row in some]
    rows = reference.rows_of(every, using).values_list("pk", reference.field.attname)
    by_level = split_rows(reference, others, rows)
    movements = []
    values: list[list[tuple[Any, Any]]] = []
    inner = _links_among(reference, levels, using) if any(by_level) else [set() for _ in levels]
    for level, own_level, links, own_rows in zip(levels, merged, inner, by_level, strict=True):
        assert level.kept is not None
        movements.append(movement := Movement(reference, level.kept, uniques))
        values.append([])
        own, removed = None, set()
        if own_level is not None:  # the merged rows refer to each other
            name = own_level.model._meta.pk.attname
            removed = {getattr(row, name) for row in own_level.others}
            own = getattr(own_level.kept, name, None)
        for key, old in own_rows:
            if key in removed:
                continue
            if key in links:
                movement.repeated.append(key)
            elif own is not None and key == own:
                movement.own = (key, old)
            else:
                values[-1].append((key, old))
    if not any(values):
        return movements
    merges = [(level.kept, *level.others) for level in levels if level.kept is not None]
    collisions = find_collisions(reference, merges, uniques, using)
    stuck = _immovable(reference, [key for some in values for key, _ in some], using)
    colliding = [
        {key: found[key] for key, _ in some if key in found}
        for some, found in zip(values, collisions, strict=True)
    ]
    repeated = _without_data(reference, colliding, using)
    for place, movement in enumerate(movements):
        for key, old in values[place]:
            if key in repeated[place]:
                movement.repeated.append(key)
            elif key in colliding[place] or key in stuck:
                movement.conflicting.append(key)
            else:
                movement.moving.setdefault(old, []).append(key)
    return movements


def _links_among(reference: Reference, levels: Sequence[Level], using: str) -> list[set[Any]]:
    """Return the links of a many-to-many field that join two merged rows of one level."""
    columns: Sequence[Any] = reference.model._meta.local_concrete_fields
    sides = [
        side
        for side in columns
        if side.remote_field and side.related_model._meta.concrete_model is levels[0].model
    ]
    if not reference.model._meta.auto_created or len(sides) != 2:
        return [set() for _ in levels]
    merges = [(level.kept, *level.others) for level in levels if level.kept is not None]
    values = [reference.value_in(row) for rows in merges for row in rows]
    among = {f"{side.attname}__in": values for side in sides}
    links = reference.rows_of([row for level in levels for row in level.others], using)
    ends = [
        split_rows(reference, merges, links.filter(**among).values_list("pk", side.attname))
        for side in sides
    ]
    return [
        {key for key, _ in first} & {key for key, _ in second}
        for first, second in zip(*ends, strict=True)
    ]


def _immovable(reference: Reference, keys: Sequence[Any], using: str) -> set[Any]:
    """Return the rows whose key would change, if something depends on that key."""
    if not reference.is_key:
        return set()
    model = reference.model
    if is_indexed(model) or model._meta.parents or children_of(model):
        return set(keys)
    return _referred_to(model, keys, using)


def _without_data(
    reference: Reference, colliding: Sequence[dict[Any, Any]], using: str
) -> list[set[Any]]:
    """Return the rows that say the same as the row they collide with, and nothing refers to."""
    model = reference.model
    named = {key for pairs in colliding for pair in pairs.items() for key in pair}
    if not named or model._meta.parents or children_of(model):
        return [set() for _ in colliding]
    rows = every_row(model, using).in_bulk(named)
    ignored = {reference.field.attname}
    ignored |= {one.attname for one in model._meta.local_concrete_fields if _is_automatic(one)}

    def data(key: Any) -> dict[str, Any]:
        return {
            name: value for name, value in dump_row(rows[key], model).items() if name not in ignored
        }

    equal = [{key for key, other in some.items() if data(key) == data(other)} for some in colliding]
    referred_to = _referred_to(model, set().union(*equal), using)
    return [some - referred_to for some in equal]


def _is_automatic(one: Any) -> bool:
    """Whether the project's users do not write a column: a generated key, a time of saving."""
    if one.primary_key:
        return isinstance(one, models.AutoField) or one.has_default()
    return bool(getattr(one, "auto_now", False) or getattr(one, "auto_now_add", False))


def _referred_to(model: type[models.Model], keys: Collection[Any], using: str) -> set[Any]:
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
