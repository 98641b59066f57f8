"""Delete what dropped collections have left, and build the indexes of collections that have grown.

A search never spans collections. So a large one gets an HNSW index of its own rows, a partial one:
no search passes over the images of others, and nothing moves when a collection grows. PostgreSQL
builds it while others go on writing, and until it is complete, searches compare all images.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connections

from django_visualsnoop.engine.index.pgvector.candidates import FEW
from django_visualsnoop.engine.index.pgvector.connection import (
    check_vendor,
    open_cursor,
    translate_errors,
)
from django_visualsnoop.engine.index.pgvector.tables import COLLECTIONS, EMBEDDINGS, IMAGES
from django_visualsnoop.engine.index.pgvector.writing import delete_images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.utils import CursorWrapper

#: Images deleted in one transaction.
_TOGETHER = 500
#: The longest vectors that an HNSW index takes; searches of longer ones compare all.
_WIDEST = 4000
#: Any number; two processes do not maintain at once.
_LOCK = 0x56534E4F4F51

#: One row of each collection in the table, each found by one look into the index.
_NUMBERS = """
WITH RECURSIVE numbers AS (
    (SELECT collection FROM {table} ORDER BY collection LIMIT 1)
    UNION ALL
    SELECT (SELECT i.collection FROM {table} i WHERE i.collection > n.collection
        ORDER BY i.collection LIMIT 1) FROM numbers n WHERE n.collection IS NOT NULL
)
SELECT collection FROM numbers WHERE collection IS NOT NULL
    AND collection NOT IN (SELECT number FROM {collections})
"""


def maintain(database: str) -> None:
    """See ``PgvectorIndex.maintain``.

    Raises:
        IndexUnavailable: see ``connection``.
        TransactionManagementError: a transaction is open.
    """
    check_vendor(database)
    with _lock(database) as alone:
        if alone:
            _delete_dropped(database)
            _build_indexes(database)


@contextmanager
def _lock(database: str) -> Iterator[bool]:
    """Yield whether this is the only process that maintains."""
    connection = connections[database]
    connection.validate_no_atomic_block()
    with translate_errors(database), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        (alone,) = cursor.fetchone()
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _delete_dropped(database: str) -> None:
    with open_cursor(database) as cursor:
        dropped = _list_dropped(cursor, IMAGES)
    for number in dropped:
        while _delete_some(database, number):
            pass
        with connections[database].cursor() as cursor:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name_index(IMAGES, number)}")
    with open_cursor(database) as cursor:
        dropped = _list_dropped(cursor, EMBEDDINGS)
        cursor.execute(f"DELETE FROM {EMBEDDINGS} WHERE collection = ANY(%s)", [dropped])
    for number in dropped:
        with connections[database].cursor() as cursor:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name_index(EMBEDDINGS, number)}")


def _list_dropped(cursor: CursorWrapper, table: str) -> list[int]:
    cursor.execute(_NUMBERS.format(table=table, collections=COLLECTIONS))
    return [number for (number,) in cursor.fetchall()]


def _delete_some(database: str, collection: int) -> bool:
    """Delete some images of a collection; return whether there were any."""
    with open_cursor(database) as cursor:
        cursor.execute(
            f"SELECT number FROM {IMAGES} WHERE collection = %s ORDER BY row_id LIMIT %s"
            " FOR UPDATE",
            [collection, _TOGETHER],
        )
        numbers = [number for (number,) in cursor.fetchall()]
        if numbers:
            delete_images(cursor, numbers)
    return bool(numbers)


def name_index(table: str, collection: int) -> str:
    """Return the name of the HNSW index of a collection."""
    return f"{table}_hnsw_{collection}"


def _build_indexes(database: str) -> None:
    with open_cursor(database) as cursor:
        cursor.execute(f"SELECT number, model, indexed FROM {COLLECTIONS} ORDER BY number")
        collections = cursor.fetchall()
    for number, model, indexed in collections:
        table = EMBEDDINGS if model else IMAGES
        with open_cursor(database) as cursor:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE collection = %s", [number])
            (size,) = cursor.fetchone()
        # Twice as many as it takes to lose it, so that it is not built again and again.
        if not indexed and size > FEW:
            _build_index(database, table, number)
        elif indexed and size <= FEW // 2:
            _drop_index(database, table, number)


def _build_index(database: str, table: str, number: int) -> None:
    name = name_index(table, number)
    column = "signs bit_hamming_ops"
    if table == EMBEDDINGS:
        width = _find_width(database, number)
        if width is None or width > _WIDEST:
            return
        column = f"(vector::halfvec({width})) halfvec_cosine_ops"
    with connections[database].cursor() as cursor:
        # One that was interrupted is left behind, and invalid.
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        cursor.execute(
            f"CREATE INDEX CONCURRENTLY {name} ON {table} USING hnsw ({column})"
            f" WHERE collection = {number}"
        )
        cursor.execute(f"ANALYZE {table}")
    _set_indexed(database, number, indexed=True)


def _find_width(database: str, number: int) -> int | None:
    """Return the length of a model's embeddings."""
    with open_cursor(database) as cursor:
        cursor.execute(
            f"SELECT vector_dims(vector) FROM {EMBEDDINGS} WHERE collection = %s LIMIT 1",
            [number],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _drop_index(database: str, table: str, number: int) -> None:
    _set_indexed(database, number, indexed=False)
    with connections[database].cursor() as cursor:
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name_index(table, number)}")


def _set_indexed(database: str, number: int, *, indexed: bool) -> None:
    with open_cursor(database) as cursor:
        cursor.execute(
            f"UPDATE {COLLECTIONS} SET indexed = %s WHERE number = %s",
            [indexed, number],
        )
