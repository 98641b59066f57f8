"""What every search reads from the tables.

SQL of its own: it is the same each time, and in a small collection Django takes half as long to put
these statements together as all else in a search takes.
"""

# ruff: noqa: S608 -- only names of tables and columns are put into it
from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors.descriptor import Descriptor
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Images read at a time.
_TOGETHER = 500
_COLUMNS = ("image_id", "image_time", "version", "vector")


class ImageRow(NamedTuple):
    """What the row of an image says."""

    image_id: str
    #: In microseconds since 1970.
    image_time: int
    #: Of the descriptor, as bytes.
    version: int
    content: bytes

    def parse_descriptor(self) -> Descriptor | None:
        """Return its descriptor; ``None`` if that is of another version, or broken."""
        if self.version == describe.VERSION:
            with suppress(ValueError):
                return Descriptor.from_bytes(self.content)
        return None


class CollectionState(NamedTuple):
    """A collection as it is now."""

    collection_id: str
    #: The highest number of a row.
    seq: int
    #: Rows deleted up to this number may be gone.
    horizon: int
    #: The blocks hold all rows up to this number; 0 if there are none.
    blocks_seq: int
    #: Whether some row has no number yet.
    unnumbered: bool
    #: ``None`` if there is no such image, or none was asked for.
    image_row: ImageRow | None


def read_state(database: str, key: str, image_id: str | None) -> CollectionState | None:
    """Return the state of a collection, by one query; ``None`` as long as nothing was written.

    Args:
        database: alias in ``DATABASES``.
        key: ``key_of`` the collection's name.
        image_id: of an image that is wanted, too.
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
    """Yield what is stored of images, by one query for some hundred; not of those that are gone.

    Args:
        database: alias in ``DATABASES``.
        collection_id: of the collection.
        image_ids: of the images.
    """
    connection = connections[database]
    quote = connection.ops.quote_name
    columns = ", ".join(map(quote, _COLUMNS))
    for start in range(0, len(image_ids), _TOGETHER):
        keys = list(map(key_of, image_ids[start : start + _TOGETHER]))
        # By key alone: asked for the version, too, SQLite reads all rows of that version.
        # Deleted rows hold no bytes.
        sql = (
            f"SELECT {columns} FROM {quote(IndexedImage._meta.db_table)} "
            f"WHERE {quote('collection_id')} = %s "
            f"AND {quote('key')} IN ({', '.join(['%s'] * len(keys))})"
        )
        read = partial(_fetch_rows, database, sql, [collection_id, *keys])
        yield from map(_build_image_row, retry_when_locked(read, using=database))


def _fetch_rows(database: str, sql: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    with connections[database].cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _build_image_row(row: Sequence[Any]) -> ImageRow:
    image_id, image_time, version, vector = row
    return ImageRow(image_id, image_time, version, bytes(vector))
