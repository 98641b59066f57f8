"""What a deletion takes along, by the rules of ``on_delete``, also where the database follows them.

Django's own ``Collector`` leaves out what the database deletes, and counts some rows only while it
deletes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from django_visualsnoop.common.batches import batched
from django_visualsnoop.merging.relations import (
    PROTECTS,
    Reference,
    children_of,
    every_row,
    references_to,
    with_parents,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Rows whose relations one query follows.
BATCH = 500


class Cascade:
    """The rows that are deleted with some rows, that change, and that prevent the deletion."""

    def __init__(self, using: str) -> None:
        self.using = using
        #: By the model of the table, then by primary key.
        self.deleted: dict[type[models.Model], dict[Any, models.Model]] = {}
        #: Rows that ``SET_NULL`` and the like change.
        self.changed: dict[type[models.Model], dict[Any, models.Model]] = {}
        #: Rows that ``PROTECT`` and ``RESTRICT`` keep.
        self.protected: dict[type[models.Model], dict[Any, models.Model]] = {}
        self._references: dict[type[models.Model], list[Reference]] = {}

    def delete(self, model: type[models.Model], rows: Iterable[models.Model]) -> None:
        """Add rows of one concrete model, and follow their relations."""
        for batch in batched(rows, BATCH):
            for table in with_parents(model):
                seen = self.deleted.setdefault(table, {})
                key = table._meta.pk.attname
                new = [row for row in batch if getattr(row, key) not in seen]
                seen.update((getattr(row, key), row) for row in new)
                if new:
                    self._follow(table, new)

    def follow(self, reference: Reference, rows: models.QuerySet[Any]) -> None:
        """Add the rows that refer to deleted rows, as ``on_delete`` says.

        Args:
            reference: the column.
            rows: rows of ``reference.model``.
        """
        if reference.cascades:
            self.delete(reference.model, rows)
        elif reference.on_delete is not models.DO_NOTHING:
            kind = self.protected if reference.on_delete in PROTECTS else self.changed
            found = {row.pk: row for row in rows}
            if found:
                kind.setdefault(reference.model, {}).update(found)

    def refusing(self) -> dict[type[models.Model], dict[Any, models.Model]]:
        """Return the rows that prevent the deletion and are not deleted themselves."""
        left = {
            model: {key: row for key, row in rows.items() if key not in self.deleted.get(model, {})}
            for model, rows in self.protected.items()
        }
        return {model: rows for model, rows in left.items() if rows}

    def _follow(self, table: type[models.Model], rows: list[models.Model]) -> None:
        for link in children_of(table):
            keys = [getattr(row, table._meta.pk.attname) for row in rows]
            children = every_row(link.model, self.using).filter(**{f"{link.attname}__in": keys})
            self.delete(link.model, list(children))
        if table not in self._references:
            self._references[table] = references_to(table, self.using)
        for reference in self._references[table]:
            self.follow(reference, reference.rows_of(rows, self.using))
