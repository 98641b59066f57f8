"""The numbers of collections, and of the embeddings in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.index.pgvector.tables import COLLECTIONS, VERSION

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper


class NumberedCollection(NamedTuple):
    number: int
    #: Whether there is an HNSW index of it.
    indexed: bool


def find_collection(
    cursor: CursorWrapper, collection_id: str, model: str = ""
) -> NumberedCollection | None:
    """Return the collection of descriptors, or of the embeddings of a model; ``None`` if empty."""
    cursor.execute(
        f"SELECT number, indexed FROM {COLLECTIONS}"
        " WHERE collection_id = %s AND model = %s AND version = %s",
        [collection_id, model, VERSION],
    )
    row = cursor.fetchone()
    return None if row is None else NumberedCollection(*row)


def get_or_create_number(cursor: CursorWrapper, collection_id: str, model: str = "") -> int:
    """Return the number of a collection; see ``find_collection``."""
    while (found := find_collection(cursor, collection_id, model)) is None:
        cursor.execute(
            f"INSERT INTO {COLLECTIONS} (collection_id, model, version) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [collection_id, model, VERSION],
        )
    return found.number


def forget_collection(cursor: CursorWrapper, collection_id: str) -> None:
    """Forget the numbers of a collection. Then no statement finds what was written under them."""
    cursor.execute(
        f"DELETE FROM {COLLECTIONS} WHERE collection_id = %s AND version = %s",
        [collection_id, VERSION],
    )
