"""Which database an image id names: the one its row was written to, also read from a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, router

from django_visualsnoop.outbox.record import records_of

if TYPE_CHECKING:
    from django.db.models import Model

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.querysets import VisualSnoopQuerySet


def written_alias(field: IndexedField, queryset: VisualSnoopQuerySet[Any]) -> str:
    """Return the alias that the ids of the QuerySet's images name; see ``alias_in_ids()``."""
    alias = queryset._db or router.db_for_write(queryset.model, **queryset._hints)
    return alias_in_ids(field, alias)


def alias_in_ids(field: IndexedField, alias: str, row: Model | None = None) -> str:
    """Return the alias that image ids name, of rows that may have been read from a replica.

    A replica has the records of its primary, and these say what it is called. No query is made
    where the ids name no database, or rows are written to this one.

    Args:
        field: the image field.
        alias: of the database that the rows come from.
        row: one of them, for the router.
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
