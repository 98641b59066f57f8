"""The images that a collection lists, classified by whether a row of this project wants them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections, router

from django_visualsnoop.collections import collections
from django_visualsnoop.common.batches import batched
from django_visualsnoop.indexed.image_ids import ImageIds
from django_visualsnoop.indexed.options import all_indexed_fields, is_indexed
from django_visualsnoop.indexed.rows import by_keys
from django_visualsnoop.outbox.record import SyncRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_visualsnoop.indexed.options import IndexedField


class Category(Enum):
    #: A row wants it, in this or another database that may store rows of the field.
    WANTED = auto()
    #: Its id belongs to a field of this collection, but no row wants it.
    UNWANTED = auto()
    #: Its id belongs to another database of this project.
    ELSEWHERE = auto()
    #: Its prefix is one of this project's, but no field of this collection has such ids.
    LEFTOVER = auto()
    #: It does not belong to this project.
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Listed:
    """One listed id; ``UNWANTED`` ids have a field and a key."""

    image_id: str
    category: Category
    field: IndexedField | None = None
    object_id: str = ""


class Listing:
    """The listing of one collection, compared with the rows of one database.

    Args:
        alias: alias of the collection.
        using: alias of the database.
    """

    def __init__(self, alias: str, *, using: str) -> None:
        self.alias = alias
        self.using = using
        self.fields = [field for field in all_indexed_fields() if field.collection == alias]

    def walk(self, size: int) -> Iterator[list[Listed]]:
        """Yield the whole listing in batches of ``size``.

        Raises:
            VisualSnoopError: the collection did not answer.
        """
        ids = (listed.image_id for listed in collections[self.alias].iter_images())
        yield from map(self.classify, batched(ids, size))

    def classify(self, image_ids: Iterable[str]) -> list[Listed]:
        """Classify ids; one or two queries per field and database."""
        keys: dict[tuple[IndexedField, str], dict[str, Any]] = defaultdict(dict)
        image_ids = list(image_ids)
        for image_id in image_ids:
            for field, database, key in self._ids.parse_all(image_id):
                keys[field, database][image_id] = key
        wanted: set[str] = set()
        for (field, database), by_id in keys.items():
            rows = by_keys(field, by_id.values(), using=database)
            wanted |= {i for i, key in by_id.items() if key in rows and rows[key].wanted}
        return [self._classify(image_id, keys, wanted) for image_id in image_ids]

    def _classify(
        self,
        image_id: str,
        keys: dict[tuple[IndexedField, str], dict[str, Any]],
        wanted: set[str],
    ) -> Listed:
        if image_id in wanted:
            return Listed(image_id, Category.WANTED)
        owners = [owner for owner, by_id in keys.items() if image_id in by_id]
        for field, database in owners:
            if database == self.using:
                text = field.key_text(keys[field, database][image_id])
                return Listed(image_id, Category.UNWANTED, field, text)
        if owners:
            return Listed(image_id, Category.ELSEWHERE)
        ours = image_id.startswith(self._prefixes)
        return Listed(image_id, Category.LEFTOVER if ours else Category.FOREIGN)

    @cached_property
    def _ids(self) -> ImageIds:
        """The ids of each field in the databases that may store its rows; these may be equal."""
        tables = {alias: _tables(alias) for alias in connections if alias != self.using}
        return ImageIds(
            (field, database)
            for field in self.fields
            for database in (self.using, *tables)
            if database == self.using or _may_hold(field, database, tables)
        )

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        """The prefixes of the default image ids of this project's models."""
        return tuple(
            f"{model._meta.label_lower}." for model in apps.get_models() if is_indexed(model)
        )


def _may_hold(field: IndexedField, alias: str, tables: dict[str, set[str]]) -> bool:
    """Whether the database may store rows of this field."""
    table = field.owner._meta.db_table.casefold()
    return (
        router.allow_migrate_model(alias, field.owner)
        and SyncRecord._meta.db_table in tables[alias]
        # Some projects put a schema into the name, which the database lists differently.
        and ('"' in table or table in tables[alias])
    )


def _tables(alias: str) -> set[str]:
    return {name.casefold() for name in connections[alias].introspection.table_names()}
