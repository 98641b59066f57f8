"""An outside index inside this process, into which tests inject faults.

The implementations have tests of their own, against their servers.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.index.base import StampedEntry
from django_visualsnoop.engine.index.memory.closest import iter_closest
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.memory.embeddings import EmbeddingIndex
from django_visualsnoop.engine.index.memory.layers import select_visible

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import (
        Candidate,
        CandidateQuery,
        CloseImage,
        IndexEntry,
    )


class InProcessIndex:
    """Entries in a dict.

    Args:
        name: how the setting names it.
        before: called with the name of each method; it may raise, or do what another process would.
    """

    def __init__(self, name: str = "pgvector", before: Callable[[str], object] = str) -> None:
        self.name, self.version, self.transactional = name, 1, False
        self.before = before
        self.entries: dict[str, dict[int, IndexEntry]] = defaultdict(dict)
        self.written: list[int] = []
        self._lock = threading.Lock()

    def stop(self) -> None:
        def refuse(_: str) -> None:
            raise IndexUnavailable("The server does not respond. Start it.")

        self.before = refuse

    def start(self) -> None:
        self.before = str

    def prepare(self) -> None:
        self.before("prepare")

    def maintain(self) -> None:
        self.before("maintain")

    def upsert(self, collection_id: str, entries: Sequence[IndexEntry]) -> None:
        self.before("upsert")
        with self._lock:
            self.entries[collection_id].update({one.row_id: one for one in entries})
            self.written += [one.row_id for one in entries]

    def delete(self, collection_id: str, row_ids: Sequence[int]) -> None:
        self.before("delete")
        for row_id in row_ids:
            self.entries[collection_id].pop(row_id, None)

    def drop(self, collection_id: str) -> None:
        self.before("drop")
        self.entries.pop(collection_id, None)

    def count(self, collection_id: str) -> int:
        self.before("count")
        return len(self.entries[collection_id])

    def list_entries(self, collection_id: str, after: int, limit: int) -> list[StampedEntry]:
        self.before("list_entries")
        later = sorted(one for one in self.entries[collection_id].items() if one[0] > after)
        return [StampedEntry(row_id, one.image_id, one.stamp) for row_id, one in later[:limit]]

    def find_candidates(self, collection_id: str, query: CandidateQuery) -> list[Candidate]:
        self.before("find_candidates")
        index = DescriptorIndex()
        for one in self.entries[collection_id].values():
            if one.descriptor is not None:
                index.put(one.image_id, one.descriptor)
        return index.find_candidates(query)

    def get_vector(
        self, collection_id: str, embedding_model: str, image_id: str
    ) -> NDArray[np.int8] | None:
        return self._index_embeddings(collection_id, embedding_model).get_vector(image_id)

    def iter_closest(
        self,
        collection_id: str,
        embedding_model: str,
        probe: NDArray[np.int8],
        allowed: Collection[str] | None = None,
        without: Collection[str] = (),
        min_cosine: float = -1.0,
    ) -> Iterator[list[CloseImage]]:
        index = self._index_embeddings(collection_id, embedding_model)
        visible = select_visible(index.list_visible(), allowed, without)
        return iter_closest(visible, probe, min_cosine)

    def _index_embeddings(self, collection_id: str, embedding_model: str) -> EmbeddingIndex:
        self.before("embeddings")
        index = EmbeddingIndex()
        for one in self.entries[collection_id].values():
            if one.embedding is not None and one.embedding_model == embedding_model:
                index.put(one.image_id, one.embedding)
        return index
