"""The index as a whole."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING

from django_visualsnoop.engine.index.milvus import candidates, reading, writing
from django_visualsnoop.engine.index.milvus.closest import Embeddings
from django_visualsnoop.engine.index.milvus.connection import Connection
from django_visualsnoop.engine.index.milvus.filters import select_collection
from django_visualsnoop.engine.index.milvus.schema import (
    LAYOUT_VERSION,
    Names,
    prepare_images,
)
from django_visualsnoop.exceptions import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import (
        Candidate,
        CandidateQuery,
        CloseImage,
        IndexEntry,
        StampedEntry,
    )

#: Consistency levels of Milvus, the strictest first.
CONSISTENCY_LEVELS = ("Strong", "Session", "Bounded", "Eventually")


class MilvusIndex:
    """An ``OutsideIndex`` in a Milvus server or cluster. Safe to use from several threads.

    Args:
        uri: address of the server, such as ``"http://127.0.0.1:19530"``; with ``https`` for TLS.
            A path is the name of a database in Milvus.
        token: API key, or ``"user:password"``.
        prefix: what the names of its collections in Milvus start with. Projects that share a server
            need different ones.
        consistency: the consistency level of searches. "Strong" sees every entry written before;
            "Session" those that this process wrote, "Bounded" those older than some seconds, and
            "Eventually" whatever has arrived. The weaker ones are faster while others write.
        timeout: after how many seconds a request to the server is given up.

    Raises:
        MissingExtra: pymilvus is not installed.
        ValueError: an argument is invalid.
    """

    name = "milvus"
    version = LAYOUT_VERSION
    transactional = False

    def __init__(
        self,
        uri: str,
        *,
        token: str | None = None,
        prefix: str = "visualsnoop",
        consistency: str = "Strong",
        timeout: float = 10.0,
    ) -> None:
        if importlib.util.find_spec("pymilvus") is None:
            raise MissingExtra('The index "milvus"', "milvus")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", prefix):
            raise ValueError(
                "prefix must consist of letters, digits and underscores, and not start with a "
                f"digit; at most 100: not {prefix!r}."
            )
        if consistency not in CONSISTENCY_LEVELS:
            levels = ", ".join(map(repr, CONSISTENCY_LEVELS))
            raise ValueError(f"consistency must be one of {levels}, not {consistency!r}.")
        if not timeout > 0:
            raise ValueError(f"timeout must be a number of seconds above 0, not {timeout!r}.")
        self._names = Names(prefix)
        self._consistency = consistency
        self._connection = Connection(uri, token, timeout)

    def __repr__(self) -> str:
        return f"<MilvusIndex: {self._connection.address}, {self._names.images}>"

    def prepare(self) -> None:
        """Create the collection of all images, unless it exists; see ``schema``."""
        prepare_images(self._connection, self._names)

    def maintain(self) -> None:
        """Do nothing: the server does it by itself."""

    def upsert(self, collection_id: str, entries: Sequence[IndexEntry]) -> None:
        """Add or replace entries, by ``row_id``. A search that begins later finds them."""
        writing.upsert(self._connection, self._names, collection_id, entries)

    def delete(self, collection_id: str, row_ids: Sequence[int]) -> None:
        """Remove entries; those that do not exist are skipped."""
        writing.delete(self._connection, self._names, collection_id, row_ids)

    def drop(self, collection_id: str) -> None:
        """Remove all entries of a collection."""
        writing.drop(self._connection, self._names, collection_id)

    def count(self, collection_id: str) -> int:
        """Return the number of entries."""
        return reading.count(self._connection, self._names.images, select_collection(collection_id))

    def list_entries(self, collection_id: str, after: int, limit: int) -> list[StampedEntry]:
        """Return entries with a ``row_id`` above ``after``, in its order, at most ``limit``."""
        return reading.list_entries(
            self._connection, self._names.images, collection_id, after, limit
        )

    def find_candidates(self, collection_id: str, query: CandidateQuery) -> list[Candidate]:
        """Return the best of each stage, closest by cosine first; equally close ones by id."""
        return candidates.find_candidates(
            self._connection, self._names.images, collection_id, query, self._consistency
        )

    def get_vector(
        self, collection_id: str, embedding_model: str, image_id: str
    ) -> NDArray[np.int8] | None:
        """Return the embedding of an image, or ``None``."""
        return self._get_embeddings(collection_id, embedding_model).get_vector(image_id)

    def iter_closest(
        self,
        collection_id: str,
        embedding_model: str,
        probe: NDArray[np.int8],
        allowed: Collection[str] | None = None,
        without: Collection[str] = (),
        min_cosine: float = -1.0,
    ) -> Iterator[list[CloseImage]]:
        """Yield the images whose embeddings are closest to one; see ``VectorIndex``."""
        return self._get_embeddings(collection_id, embedding_model).iter_closest(
            probe, allowed, without, min_cosine
        )

    def _get_embeddings(self, collection_id: str, model: str) -> Embeddings:
        return Embeddings(self._connection, self._names, collection_id, model, self._consistency)
