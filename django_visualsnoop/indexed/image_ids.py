"""Translate between the keys of rows and the image ids of one collection.

``IndexedField`` builds and parses the ids of one field in one database. A collection may have
images of several fields, and ids may contain the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_visualsnoop.indexed.options import IndexedField


class ParsedImageId(NamedTuple):
    """The row and the field that an image id stands for."""

    field: IndexedField
    #: Alias of the database of the row.
    database: str
    #: The row's primary key.
    key: Any


class ImageIds:
    """The image ids of some fields.

    Args:
        fields: each field with the alias of a database of its rows. A field may occur several
            times.
    """

    def __init__(self, fields: Iterable[tuple[IndexedField, str]]) -> None:
        self._fields = tuple(fields)

    def in_collection(self, alias: str) -> ImageIds:
        """Return those of the fields that are indexed in a collection."""
        return ImageIds(pair for pair in self._fields if pair[0].collection == alias)

    def build(self, keys: Iterable[Any]) -> set[str]:
        """Return the ids of the images of these rows, of every field."""
        keys = list(keys)
        return {
            field.image_id(field.key_text(key), database)
            for field, database in self._fields
            for key in keys
        }

    def parse(self, image_id: str) -> ParsedImageId | None:
        """Return what an id stands for; ``None`` if it belongs to none of the fields."""
        return next(self.parse_all(image_id), None)

    def parse_all(self, image_id: str) -> Iterator[ParsedImageId]:
        """Yield everything that an id may stand for, such as rows of several databases."""
        for field, database in self._fields:
            key = field.key_from_image_id(image_id, database)
            if key is not None:
                yield ParsedImageId(field, database, key)
