"""Find the rows that ``bulk_create()`` has written when some of them existed already.

Django does not always tell: an existing row keeps its key, whatever key the instance has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q, UniqueConstraint

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from django.db.models import Model, QuerySet

#: Rows per query: SQLite limits the depth of an expression to 1,000.
BATCH_SIZE = 100


def find_upserted_keys(
    queryset: QuerySet[Any], rows: Sequence[Model], unique_fields: Collection[str] | None
) -> set[Any]:
    """Return the primary keys of the rows in the database.

    A row that no constraint identifies is new, and has the key of its instance.

    Args:
        queryset: all rows of the model, in the database that was written.
        rows: the instances passed to ``bulk_create()``.
        unique_fields: the argument of ``bulk_create()``. Without it (MySQL, MariaDB), every unique
            constraint of the model identifies rows.
    """
    meta = queryset.model._meta
    sets = [tuple(unique_fields)] if unique_fields else _unique_sets(queryset.model)
    if sets == [("pk",)] or sets == [(meta.pk.name,)]:
        return {row.pk for row in rows if row.pk is not None}
    names = [tuple(meta.get_field(_name(one, meta)).attname for one in names) for names in sets]
    keys: set[Any] = {
        row.pk
        for row in rows
        if row.pk is not None and not any(_known_values(one, [row]) for one in names)
    }
    for start in range(0, len(rows), BATCH_SIZE):
        some = rows[start : start + BATCH_SIZE]
        where = Q()
        for one in names:
            where |= _matches(one, some)
        if where:
            keys.update(queryset.filter(where).order_by().values_list("pk", flat=True))
    return keys


def _name(name: str, meta: Any) -> str:
    return meta.pk.name if name == "pk" else name


def _unique_sets(model: type[Model]) -> list[tuple[str, ...]]:
    meta = model._meta
    found: list[tuple[str, ...]] = [(field.name,) for field in meta.concrete_fields if field.unique]
    found += [tuple(names) for names in meta.unique_together]
    found += [
        tuple(one.fields)
        for one in meta.constraints
        if isinstance(one, UniqueConstraint) and one.fields and one.condition is None
    ]
    return found


def _matches(names: tuple[str, ...], rows: Sequence[Model]) -> Q:
    """Return the condition that a row equals one of these in the named fields; NULL never does."""
    known = _known_values(names, rows)
    if len(names) == 1:
        return Q(**{f"{names[0]}__in": [one[0] for one in known]}) if known else Q()
    where = Q()
    for one in known:
        where |= Q(**dict(zip(names, one, strict=True)))
    return where


def _known_values(names: tuple[str, ...], rows: Sequence[Model]) -> list[tuple[Any, ...]]:
    values = [tuple(getattr(row, name) for name in names) for row in rows]
    return [one for one in values if not any(value is None or _is_sql(value) for value in one)]


def _is_sql(value: object) -> bool:
    return hasattr(value, "resolve_expression")
