"""The images of a collection that one search sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic

from django_visualsnoop.engine.descriptors.describe import apply_dihedral_action
from django_visualsnoop.engine.descriptors.local_features import MIRRORED_CODE, MIRRORED_WORD
from django_visualsnoop.engine.index.memory.closest import iter_closest
from django_visualsnoop.engine.index.memory.crowds import Crowds
from django_visualsnoop.engine.index.memory.ids import build_wanted
from django_visualsnoop.engine.index.memory.join import Mirror, find_candidate_pairs
from django_visualsnoop.engine.index.memory.layers import select_visible
from django_visualsnoop.engine.replica.vector_kinds import Index
from django_visualsnoop.engine.storage.queries import read_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Collection as Several

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.index.base import (
        Candidate,
        CandidatePair,
        CandidateQuery,
        CloseImage,
        PairLimits,
    )
    from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
    from django_visualsnoop.engine.index.memory.embeddings import EmbeddingIndex, EmbeddingSegment
    from django_visualsnoop.engine.index.memory.layers import Visible
    from django_visualsnoop.engine.index.memory.merge import SegmentPart
    from django_visualsnoop.engine.replica.replica import ReplicaImages
    from django_visualsnoop.engine.storage.queries import ImageRow


@dataclass(frozen=True, slots=True)
class ReplicaView(Generic[Index]):
    """The images that one search sees: the ``VectorIndex`` of a collection if it holds embeddings,
    or its ``CopyIndex`` if it holds descriptors; see ``index.base``.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        held: the images that the process holds.
        joined: rows of this search only; they hide those with the same id in ``held``.
        hidden: the ids in ``joined``, including deleted ones.
        image_row: the row of the requested image; ``None`` if it does not exist.
    """

    database: str
    collection_id: str
    held: ReplicaImages[Index]
    joined: ReplicaImages[Index]
    hidden: frozenset[str]
    image_row: ImageRow | None

    def get_vector(self, image_id: str) -> NDArray[np.int8] | None:
        """Return the vector of an image; ``None`` without one that can be compared."""
        images = self.joined if image_id in self.hidden else self.held
        return images.index.get_vector(image_id)

    def iter_closest(
        self: ReplicaView[EmbeddingIndex],
        probe: NDArray[np.int8],
        allowed: Several[str] | None = None,
        without: Several[str] = (),
        min_cosine: float = -1.0,
    ) -> Iterator[list[CloseImage]]:
        """Yield the images whose vectors are closest to one, in portions; see ``VectorIndex``."""
        return iter_closest(self._select_visible(allowed, without), probe, min_cosine)

    def _select_visible(
        self: ReplicaView[EmbeddingIndex], allowed: Several[str] | None, without: Several[str]
    ) -> list[Visible[EmbeddingSegment]]:
        hidden = self.hidden.union(without)
        parts = select_visible(self.held.index.list_visible(), allowed, hidden)
        return parts + select_visible(self.joined.index.list_visible(), allowed, without)

    def find_candidates(
        self: ReplicaView[DescriptorIndex], query: CandidateQuery
    ) -> list[Candidate]:
        """Return the best of each stage, closest by cosine first."""
        found = self.held.index.find_candidates(
            replace(query, without=self.hidden.union(query.without)) if self.hidden else query
        )
        if self.hidden:
            found += self.joined.index.find_candidates(query)
            found.sort(key=lambda one: (-one.cosine, one.image_id))
        return found

    def find_candidate_pairs(
        self: ReplicaView[DescriptorIndex],
        limits: PairLimits,
        progress: Callable[[float], object] | None = None,
    ) -> tuple[Iterator[CandidatePair], Crowds]:
        """Return pairs of all images, each once, and the crowds that limit them.

        Args:
            limits, progress: see ``join.find_candidate_pairs``.
        """
        parts = self.list_parts()
        crowds = Crowds(sum(int(part.kept.sum()) for part in parts))
        mirror = Mirror(MIRRORED_WORD, MIRRORED_CODE)
        found = find_candidate_pairs(
            parts,
            limits,
            mirror=mirror,
            turn=apply_dihedral_action,
            progress=progress,
            crowds=crowds,
        )
        return found, crowds

    def list_parts(self: ReplicaView[DescriptorIndex]) -> list[SegmentPart]:
        """Return the index of all images."""
        parts = self.held.index.list_parts()
        if not self.hidden:
            return parts
        hidden = build_wanted(self.hidden)
        for segment, kept in parts:
            kept[segment.ids.find_slots(hidden)] = False
        return parts + self.joined.index.list_parts()

    def read_descriptors(self, image_ids: Several[str]) -> dict[str, Descriptor]:
        """Read the descriptors of images from the table, with one query per some hundred ids.

        The index holds no places; and comparisons are correct whatever the index holds. The result
        omits images deleted since, and those of another version.
        """
        return read_descriptors(self.database, self.collection_id, list(image_ids))
