"""The index of all collections in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.engine.index.base import StampedEntry
from django_visualsnoop.engine.index.pgvector import (
    candidates,
    closest,
    maintenance,
    tables,
    writing,
)
from django_visualsnoop.engine.index.pgvector.collections import find_collection, forget_collection
from django_visualsnoop.engine.index.pgvector.connection import open_cursor, open_search
from django_visualsnoop.engine.index.pgvector.filters import IdFilter
from django_visualsnoop.engine.index.pgvector.tables import COLLECTIONS, IMAGES, VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import (
        Candidate,
        CandidateQuery,
        CloseImage,
        IndexEntry,
    )

_LIST = f"""
SELECT i.row_id, i.image_id, i.stamp FROM {IMAGES} i JOIN {COLLECTIONS} c ON c.number = i.collection
WHERE c.collection_id = %s AND c.model = '' AND c.version = {VERSION} AND i.row_id > %s
ORDER BY i.row_id LIMIT %s
"""
_COUNT = f"""
SELECT count(*) FROM {IMAGES} i JOIN {COLLECTIONS} c ON c.number = i.collection
WHERE c.collection_id = %s AND c.model = '' AND c.version = {VERSION}
"""


class PgvectorIndex:
    """The index in PostgreSQL with the extension pgvector; see ``OutsideIndex``.

    Entries are written on Django's connection, inside the caller's transaction if there is one, so
    they are searchable once it commits, and gone if it does not. The errors of locks stay those of
    Django, so that callers can retry.

    Args:
        database: alias in ``DATABASES``.
    """

    name = "pgvector"
    version = VERSION
    transactional = True

    def __init__(self, database: str) -> None:
        self._database = database

    def prepare(self) -> None:
        tables.prepare(self._database)

    def maintain(self) -> None:
        """Delete what dropped collections have left, and index those that have grown.

        Call it now and then, and after writing many entries. It takes minutes for a million of
        them; searches and writers go on meanwhile.
        """
        maintenance.maintain(self._database)

    def upsert(self, collection_id: str, entries: Sequence[IndexEntry]) -> None:
        if entries:
            with open_cursor(self._database) as cursor:
                writing.upsert(cursor, collection_id, entries)

    def delete(self, collection_id: str, row_ids: Sequence[int]) -> None:
        if not row_ids:
            return
        with open_cursor(self._database) as cursor:
            collection = find_collection(cursor, collection_id)
            if collection is not None:
                writing.delete(cursor, collection.number, row_ids)

    def drop(self, collection_id: str) -> None:
        """Remove all entries at once; ``maintain`` gives their space back."""
        with open_cursor(self._database) as cursor:
            forget_collection(cursor, collection_id)

    def count(self, collection_id: str) -> int:
        with open_cursor(self._database) as cursor:
            cursor.execute(_COUNT, [collection_id])
            (found,) = cursor.fetchone()
        return int(found)

    def list_entries(self, collection_id: str, after: int, limit: int) -> list[StampedEntry]:
        with open_cursor(self._database) as cursor:
            cursor.execute(_LIST, [collection_id, after, limit])
            return [StampedEntry(*row) for row in cursor.fetchall()]

    def find_candidates(self, collection_id: str, query: CandidateQuery) -> list[Candidate]:
        with open_search(self._database, candidates.get_settings(query)) as cursor:
            collection = find_collection(cursor, collection_id)
            if collection is None:
                return []
            return candidates.find_candidates(cursor, collection, query)

    def get_vector(
        self, collection_id: str, embedding_model: str, image_id: str
    ) -> NDArray[np.int8] | None:
        with open_cursor(self._database) as cursor:
            return closest.get_vector(cursor, collection_id, embedding_model, image_id)

    def iter_closest(
        self,
        collection_id: str,
        embedding_model: str,
        probe: NDArray[np.int8],
        allowed: Collection[str] | None = None,
        without: Collection[str] = (),
        min_cosine: float = -1.0,
    ) -> Iterator[list[CloseImage]]:
        filters = IdFilter(allowed, without)
        return closest.iter_closest(
            self._database, collection_id, embedding_model, probe, filters, min_cosine
        )
