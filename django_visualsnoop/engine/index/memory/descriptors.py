"""Descriptors by image id, and the candidates of a query among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.engine.descriptors.descriptor import count_features
from django_visualsnoop.engine.index.memory.candidates import find_candidates
from django_visualsnoop.engine.index.memory.layers import Layers
from django_visualsnoop.engine.index.memory.merge import SegmentPart, merge_in_memory
from django_visualsnoop.engine.index.memory.segment import Segment, build_segment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import Candidate, CandidateQuery


class DescriptorIndex(Layers[Segment]):
    """Safe to use from several threads, and in a child process.

    Args:
        order: order of the dimensions of vectors, with those first that turning a picture does
            not change; see ``codes.pack_signs``.
    """

    def __init__(self, order: NDArray[np.intp] | None = None) -> None:
        self._order = order
        super().__init__()

    def find_candidates(self, query: CandidateQuery) -> list[Candidate]:
        """Return the best of each stage; see ``candidates.find_candidates``."""
        return find_candidates(self.list_visible(), query, self._order)

    def list_parts(self) -> list[SegmentPart]:
        """Return all current images, to merge them."""
        return [SegmentPart(*one) for one in self.list_kept()]

    def _check(self, content: bytes) -> None:
        count_features(content)

    def _build(self, images: Mapping[str, bytes]) -> Segment:
        return build_segment(images, self._order)

    def _merge(self, parts: Sequence[tuple[Segment, NDArray[np.bool_]]]) -> Segment:
        return merge_in_memory([SegmentPart(*one) for one in parts])
