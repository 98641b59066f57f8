"""The images that one search sees, with an index outside the process.

Changes that the index has not followed yet, and those of the open transaction, join only the
search that sees them: they are read from the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.index.memory.closest import iter_closest
from django_visualsnoop.engine.index.memory.layers import select_visible
from django_visualsnoop.engine.models import IndexedImage, key_of
from django_visualsnoop.engine.replica.replica import ReplicaImages, ReplicaRow
from django_visualsnoop.engine.replica.vector_kinds import Index
from django_visualsnoop.engine.storage.queries import read_descriptors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.index.base import (
        Candidate,
        CandidateQuery,
        CloseImage,
        OutsideIndex,
    )
    from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
    from django_visualsnoop.engine.index.memory.embeddings import EmbeddingIndex
    from django_visualsnoop.engine.replica.vector_kinds import VectorKind
    from django_visualsnoop.engine.storage.queries import ImageRow

#: Number of ids looked up together.
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class OutsideView(Generic[Index]):
    """The images that one search sees: the ``VectorIndex`` of a collection if ``joined`` holds
    embeddings, or its ``CopyIndex`` if it holds descriptors; see ``index.base``.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        index: the index.
        joined: rows of this search only; they hide entries of the index with the same id.
        hidden: the ids in ``joined``, including deleted ones.
        image_row: the row of the requested image; ``None`` if it does not exist.
        embedding_model: name of the model of the embeddings; empty for descriptors.
    """

    database: str
    collection_id: str
    index: OutsideIndex
    joined: ReplicaImages[Index]
    hidden: frozenset[str]
    image_row: ImageRow | None
    embedding_model: str = ""

    def find_candidates(
        self: OutsideView[DescriptorIndex], query: CandidateQuery
    ) -> list[Candidate]:
        """Return the best of each stage, closest by cosine first."""
        without = self.hidden.union(query.without)
        found = self.index.find_candidates(self.collection_id, replace(query, without=without))
        if self.hidden:
            found += self.joined.index.find_candidates(query)
            found.sort(key=lambda one: (-one.cosine, one.image_id))
        return found

    def read_descriptors(self, image_ids: Collection[str]) -> dict[str, Descriptor]:
        """Read the descriptors of images from the table, with one query per some hundred ids.

        What the index holds of images without a row is left out: it can miss a copy, but not make
        one up.
        """
        return read_descriptors(self.database, self.collection_id, list(image_ids))

    def get_vector(self, image_id: str) -> NDArray[np.int8] | None:
        """Return the embedding of an image; ``None`` without one that can be compared."""
        if image_id in self.hidden:
            return self.joined.index.get_vector(image_id)
        return self.index.get_vector(self.collection_id, self.embedding_model, image_id)

    def iter_closest(
        self: OutsideView[EmbeddingIndex],
        probe: NDArray[np.int8],
        allowed: Collection[str] | None = None,
        without: Collection[str] = (),
        min_cosine: float = -1.0,
    ) -> Iterator[list[CloseImage]]:
        """Yield the images whose embeddings are closest to one; see ``VectorIndex``."""
        joined = select_visible(self.joined.index.list_visible(), allowed, without)
        first = [one for some in iter_closest(joined, probe, min_cosine) for one in some]
        for portion in self.index.iter_closest(
            self.collection_id,
            self.embedding_model,
            probe,
            allowed,
            self.hidden.union(without),
            min_cosine,
        ):
            existing = self._find_existing([one.image_id for one in portion])
            first += [one for one in portion if one.image_id in existing]
            yield sorted(first, key=lambda one: (-one.cosine, one.image_id))
            first = []
        if first:
            yield first

    def _find_existing(self, image_ids: list[str]) -> set[str]:
        rows = IndexedImage.objects.using(self.database).filter(
            collection_id=self.collection_id, deleted__isnull=True
        )
        found: set[str] = set()
        for some in batched(image_ids, _TOGETHER):
            found.update(
                rows.filter(key__in=list(map(key_of, some))).values_list("image_id", flat=True)
            )
        return found


def read_joined(
    database: str, collection_id: str, seq: int, vector_kind: VectorKind[Index]
) -> tuple[ReplicaImages[Index], frozenset[str]]:
    """Return the rows that an index has not followed, and their ids.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        seq: the number up to which the index has followed the rows.
        vector_kind: the kind of vectors to read.
    """
    rows = IndexedImage.objects.using(database).filter(collection_id=collection_id)
    columns = ("image_id", "seq", "deleted", *vector_kind.columns)
    # One statement, so that no row gets a number between two. With one condition joined by OR,
    # SQLite reads all rows of the collection.
    unnumbered = rows.filter(seq__isnull=True).values_list(*columns)
    later = unnumbered.union(rows.filter(seq__gt=seq).values_list(*columns), all=True)
    read: list[Any] = retry_when_locked(partial(list, later), using=database)
    joined, hidden = ReplicaImages(vector_kind.create_index()), set()
    for image_id, number, deleted, *values in read:
        joined.take(ReplicaRow(image_id, number, deleted, vector_kind.extract_content(*values)))
        hidden.add(image_id)
    return joined, frozenset(hidden)
