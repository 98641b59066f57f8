"""The database alias in image ids: where the row was written, also if a replica was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, router

from django_visualsnoop.outbox.record import records_of

if TYPE_CHECKING:
    from django.db.models import Model

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.querysets import VisualSnoopQuerySet


def written_alias(field: IndexedField, queryset: VisualSnoopQuerySet[Any]) -> str:
    """Return the alias in the ids of the QuerySet's images; see ``alias_in_ids()``."""
    alias = queryset._db or router.db_for_write(queryset.model, **queryset._hints)
    return alias_in_ids(field, alias)


def alias_in_ids(field: IndexedField, alias: str, row: Model | None = None) -> str:
    """Return the alias in the image ids of rows that may have been read from a replica.

    A replica contains the sync records of its primary, and these contain the primary's alias. This
    executes no query if the ids do not contain an alias, or if rows are written to this database.

    Args:
        field: the image field.
        alias: alias of the database that the rows were read from.
        row: one of the rows, for the router.
    """
    if not field.names_database:
        return alias
    written: str = router.db_for_write(field.owner, **({} if row is None else {"instance": row}))
    if alias == written:
        return alias
    for object_id, image_id in records_of(field, alias).values_list("object_id", "image_id")[:1]:
        names: list[str] = [alias, *connections]
        for name in names:
            if field.image_id(object_id, name) == image_id:
                return name
    return written
