"""What a collection lists, and who in this project wants it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections, router

from django_visualsnoop.collections import collections
from django_visualsnoop.indexed.options import all_indexed_fields, is_indexed
from django_visualsnoop.indexed.rows import by_keys
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_visualsnoop.indexed.options import IndexedField


class Verdict(Enum):
    #: A row wants it, here or in another database that may hold rows of the field.
    WANTED = auto()
    #: It is an id of a field of this collection, and no row wants it.
    UNWANTED = auto()
    #: It has an id of another of this project's databases.
    ELSEWHERE = auto()
    #: By its prefix it was this project's, and no field of this collection has such ids.
    LEFTOVER = auto()
    #: Nothing says that it is this project's.
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Listed:
    """One listed id; field and key are given if it is ``UNWANTED``."""

    image_id: str
    verdict: Verdict
    field: IndexedField | None = None
    object_id: str = ""


class Listing:
    """The listing of one collection, seen from one database.

    Args:
        alias: alias of the collection.
        using: alias of the database.
    """

    def __init__(self, alias: str, *, using: str) -> None:
        self.alias = alias
        self.using = using
        self.fields = [field for field in all_indexed_fields() if field.collection == alias]

    def walk(self, size: int) -> Iterator[list[Listed]]:
        """Yield all that is listed, in batches of ``size``.

        Raises:
            VisualSnoopError: the collection did not answer.
        """
        ids = (listed["id"] for listed in collections[self.alias].iter_images())
        while batch := list(islice(ids, size)):
            yield self.judge(batch)

    def judge(self, image_ids: Iterable[str]) -> list[Listed]:
        """Say of each id whether it is wanted; one query or two per field and database."""
        keys: dict[tuple[IndexedField, str], dict[str, Any]] = defaultdict(dict)
        image_ids = list(image_ids)
        for image_id in image_ids:
            for field in self.fields:
                for database in self._databases[field]:
                    key = field.key_from_image_id(image_id, database)
                    if key is not None:
                        keys[field, database][image_id] = key
        wanted: set[str] = set()
        for (field, database), by_id in keys.items():
            rows = by_keys(field, by_id.values(), using=database)
            wanted |= {i for i, key in by_id.items() if key in rows and rows[key].wanted}
        return [self._judged(image_id, keys, wanted) for image_id in image_ids]

    def _judged(
        self,
        image_id: str,
        keys: dict[tuple[IndexedField, str], dict[str, Any]],
        wanted: set[str],
    ) -> Listed:
        if image_id in wanted:
            return Listed(image_id, Verdict.WANTED)
        owners = [owner for owner, by_id in keys.items() if image_id in by_id]
        for field, database in owners:
            if database == self.using:
                text = field.key_text(keys[field, database][image_id])
                return Listed(image_id, Verdict.UNWANTED, field, text)
        if owners:
            return Listed(image_id, Verdict.ELSEWHERE)
        ours = image_id.startswith(self._prefixes)
        return Listed(image_id, Verdict.LEFTOVER if ours else Verdict.FOREIGN)

    @cached_property
    def _databases(self) -> dict[IndexedField, list[str]]:
        """The databases that may hold rows of each field; their ids may be the same."""
        tables = {alias: _tables(alias) for alias in connections if alias != self.using}
        return {
            field: [self.using, *(alias for alias in tables if _may_hold(field, alias, tables))]
            for field in self.fields
        }

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        """What the default ids of this project's models begin with, whatever their field."""
        return tuple(
            f"{model._meta.label_lower}." for model in apps.get_models() if is_indexed(model)
        )


def _may_hold(field: IndexedField, alias: str, tables: dict[str, set[str]]) -> bool:
    """Whether rows of this field can have been saved to that database."""
    table = field.owner._meta.db_table.casefold()
    return (
        router.allow_migrate_model(alias, field.owner)
        and SyncRecord._meta.db_table in tables[alias]
        # Some write a schema into the name, which the database then lists in another way.
        and ('"' in table or table in tables[alias])
    )


def _tables(alias: str) -> set[str]:
    return {name.casefold() for name in connections[alias].introspection.table_names()}
