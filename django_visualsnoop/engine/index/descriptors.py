"""Descriptors by image id, and the candidates of a query among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.engine.descriptors.descriptor import features_in
from django_visualsnoop.engine.index.candidates import candidates
from django_visualsnoop.engine.index.layers import Layers
from django_visualsnoop.engine.index.merge import Part, merged
from django_visualsnoop.engine.index.segment import Segment, built

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.candidates import Candidate, CandidateQuery


class DescriptorIndex(Layers[Segment]):
    """Safe to use from several threads, and in a child process.

    Args:
        order: of the dimensions of vectors, those first that turning a picture does not
            change; see ``codes.bits_of``.
    """

    def __init__(self, order: NDArray[np.intp] | None = None) -> None:
        self._order = order
        super().__init__()

    def candidates(self, query: CandidateQuery) -> list[Candidate]:
        """Return the best of each stage; see ``candidates.candidates``."""
        return candidates(self.visible(), query, self._order)

    def parts(self) -> list[Part]:
        """Return all images as they are now, to be merged."""
        return [Part(*one) for one in self.kept()]

    def _check(self, content: bytes) -> None:
        features_in(content)

    def _built(self, images: Mapping[str, bytes]) -> Segment:
        return built(images, self._order)

    def _merged(self, parts: Sequence[tuple[Segment, NDArray[np.bool_]]]) -> Segment:
        return merged([Part(*one) for one in parts])
