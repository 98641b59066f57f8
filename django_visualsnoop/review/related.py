"""Count the rows that are related to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count

from django_visualsnoop.merging.relations import references_to, with_parents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Model


def count_related(
    model: type[Model], rows: Sequence[Model], *, using: str
) -> dict[Any, dict[str, int]]:
    """Return how many rows of each kind are related to each row, by primary key and by label.

    This costs one query per relation, however many rows there are.

    Args:
        model: the model of the rows.
        rows: the rows.
        using: alias of their database.
    """
    found: dict[Any, dict[str, int]] = {row.pk: {} for row in rows}
    if not rows:
        return found
    concrete = model._meta.concrete_model or model
    for one in with_parents(concrete):
        for reference in references_to(one, using):
            column = reference.field.attname
            counted = (
                reference.rows_of(rows, using)
                .order_by()
                .values_list(column)
                .annotate(count=Count("pk"))
            )
            counts = dict(counted)
            for row in rows:
                if count := counts.get(reference.value_in(row), 0):
                    own = found[row.pk]
                    own[reference.label] = own.get(reference.label, 0) + count
    return found
