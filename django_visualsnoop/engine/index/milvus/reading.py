"""Count and list entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_visualsnoop.engine.index.base import StampedEntry
from django_visualsnoop.engine.index.milvus.filters import select_collection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django_visualsnoop.engine.index.milvus.connection import Connection

#: Number of entries of one page.
_PAGE = 1000


def count(connection: Connection, table: str, expression: str) -> int:
    """Return the number of entries that an expression selects."""
    (row,) = connection.call(
        "query",
        table,
        filter=expression,
        output_fields=["count(*)"],
        consistency_level="Strong",
    )
    return int(row["count(*)"])


def list_entries(
    connection: Connection, table: str, collection_id: str, after: int, limit: int
) -> list[StampedEntry]:
    """Return entries with a ``row_id`` above ``after``, in its order, at most ``limit``."""
    expression = f"{select_collection(collection_id)} and row_id > {after}"
    found: list[StampedEntry] = []
    for page in iter_pages(
        connection, table, expression, ["row_id", "image_id", "stamp"], size=limit
    ):
        found += [StampedEntry(row["row_id"], row["image_id"], row["stamp"]) for row in page]
        if len(found) >= limit:
            break
    return found[:limit]


def iter_pages(
    connection: Connection, table: str, expression: str, fields: Sequence[str], size: int = _PAGE
) -> Iterator[Sequence[Any]]:
    """Yield entries in the order of their primary keys.

    Only an iterator of pymilvus returns entries in an order.
    """

    def begin(client: Any) -> Any:
        return client.query_iterator(
            table,
            batch_size=min(size, _PAGE),
            filter=expression,
            output_fields=list(fields),
            timeout=connection.timeout,
            consistency_level="Strong",
        )

    iterator = connection.run(begin, table)
    while page := connection.run(lambda _: iterator.next(), table):
        yield page
