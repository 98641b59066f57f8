"""Read the table data that every search needs.

This uses raw SQL: the statements are always the same, and in a small collection building them with
Django takes half as long as the rest of a search.
"""

# ruff: noqa: S608 -- only names of tables and columns are put into it
from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.descriptors.descriptor import Descriptor, parse_description
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Number of images read at a time.
_TOGETHER = 500
_COLUMNS = ("image_id", "image_time", "version", "vector", "thumbnail", "capture")


class ImageRow(NamedTuple):
    """The row of an image."""

    image_id: str
    #: In microseconds since 1970.
    image_time: int
    #: Version of the description.
    version: int
    content: bytes
    #: ``None`` if an older release described the image.
    thumbnail: bytes | None = None
    #: ``None`` likewise, or if the file has none.
    capture: bytes | None = None

    def parse_descriptor(self) -> Descriptor | None:
        """Return the image's descriptor; ``None`` if it is of another version, or broken."""
        with suppress(ValueError):
            return parse_description(self.version, self.content, self.thumbnail, self.capture)
        return None


class CollectionState(NamedTuple):
    """The current state of a collection."""

    collection_id: str
    #: The highest number of a row.
    seq: int
    #: Rows deleted up to this number may be gone.
    horizon: int
    #: The blocks hold all rows up to this number; 0 if there are none.
    blocks_seq: int
    #: Whether any row has no number yet.
    unnumbered: bool
    #: ``None`` if the image does not exist, or none was requested.
    image_row: ImageRow | None


def read_state(database: str, key: str, image_id: str | None) -> CollectionState | None:
    """Return the state of a collection, with one query; ``None`` until something is written.

    Args:
        database: alias in ``DATABASES``.
        key: ``key_of`` the collection's name.
        image_id: id of an image whose row to read as well; ``None`` for none.
    """
    connection = connections[database]
    quote = connection.ops.quote_name
    collections, images = quote(Collection._meta.db_table), quote(IndexedImage._meta.db_table)
    owner, name = quote("collection_id"), quote("key")
    numbers = ", ".join(f"c.{quote(column)}" for column in ("seq", "horizon", "blocks_seq"))
    sql = (
        f"SELECT c.{owner}, {numbers}, EXISTS("
        f"SELECT 1 FROM {images} n WHERE n.{owner} = c.{owner} AND n.{quote('seq')} IS NULL)"
    )
    if image_id is None:
        sql, values = f"{sql} FROM {collections} c", [key]
    else:
        wanted = ", ".join(f"i.{quote(column)}" for column in _COLUMNS)
        sql = (
            f"{sql}, {wanted} FROM {collections} c LEFT JOIN {images} i ON i.{owner} = c.{owner} "
            f"AND i.{name} = %s AND i.{quote('deleted')} IS NULL"
        )
        values = [key_of(image_id), key]
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE c.{name} = %s", values)
        row = cursor.fetchone()
    if row is None:
        return None
    collection_id, seq, horizon, blocks_seq, unnumbered, *values = row
    image_row = _build_image_row(values) if values and values[0] is not None else None
    return CollectionState(collection_id, seq, horizon, blocks_seq, bool(unnumbered), image_row)


def read_image_rows(
    database: str, collection_id: str, image_ids: Sequence[str]
) -> Iterator[ImageRow]:
    """Yield the rows of the images that exist, with one query per some hundred ids.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        image_ids: ids of the images.
    """
    connection = connections[database]
    quote = connection.ops.quote_name
    columns = ", ".join(map(quote, _COLUMNS))
    for start in range(0, len(image_ids), _TOGETHER):
        keys = list(map(key_of, image_ids[start : start + _TOGETHER]))
        # Filter by key alone: with a filter on the version, SQLite reads all rows of that version.
        # Deleted rows hold no bytes.
        sql = (
            f"SELECT {columns} FROM {quote(IndexedImage._meta.db_table)} "
            f"WHERE {quote('collection_id')} = %s "
            f"AND {quote('key')} IN ({', '.join(['%s'] * len(keys))})"
        )
        read = partial(_fetch_rows, database, sql, [collection_id, *keys])
        yield from map(_build_image_row, retry_when_locked(read, using=database))


def read_descriptors(
    database: str, collection_id: str, image_ids: Sequence[str]
) -> dict[str, Descriptor]:
    """Return the descriptors of the images that exist and can be compared, by id.

    Args:
        database, collection_id, image_ids: see ``read_image_rows``.
    """
    found = {}
    for row in read_image_rows(database, collection_id, image_ids):
        if (descriptor := row.parse_descriptor()) is not None:
            found[row.image_id] = descriptor
    return found


def _fetch_rows(database: str, sql: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    with connections[database].cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _build_image_row(row: Sequence[Any]) -> ImageRow:
    image_id, image_time, version, vector, thumbnail, capture = row
    return ImageRow(
        image_id, image_time, version, bytes(vector), to_bytes(thumbnail), to_bytes(capture)
    )


def to_bytes(content: bytes | memoryview | None) -> bytes | None:
    """Return the content of a column as bytes: some drivers return views."""
    return None if content is None else bytes(content)
