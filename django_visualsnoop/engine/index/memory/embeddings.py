"""Embeddings by image id: vectors of a model of the project's choice, all of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.index.memory.ids import Ids, build_ids, join_ids
from django_visualsnoop.engine.index.memory.layers import Layers
from django_visualsnoop.engine.index.memory.segment import allocate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class EmbeddingSegment(NamedTuple):
    """n images, in slots 0 to n - 1, of d values each."""

    ids: Ids
    #: n x d
    vectors: NDArray[np.int8]

    @property
    def size(self) -> int:
        return len(self.vectors)


class EmbeddingIndex(Layers[EmbeddingSegment]):
    """Safe to use from several threads, and in a child process."""

    #: d, as the first vector has it.
    _width = 0

    def _check(self, content: bytes) -> None:
        width = self._width or len(content)
        if not content or len(content) != width:
            raise ValueError(f"The embedding must have {width} values, not {len(content)}.")
        self._width = width

    def _build(self, images: Mapping[str, bytes]) -> EmbeddingSegment:
        vectors = _allocate(len(images), self._width)
        vectors[:] = np.frombuffer(b"".join(images.values()), np.int8).reshape(vectors.shape)
        return EmbeddingSegment(build_ids(list(images)), vectors)

    def _merge(
        self, parts: Sequence[tuple[EmbeddingSegment, NDArray[np.bool_]]]
    ) -> EmbeddingSegment:
        rows = [np.flatnonzero(kept) for _, kept in parts]
        vectors = _allocate(sum(map(len, rows)), self._width)
        start = 0
        for (segment, _), places in zip(parts, rows, strict=True):
            end = start + len(places)
            np.take(segment.vectors, places, axis=0, out=vectors[start:end])
            start = end
        ids = join_ids(
            [(segment.ids, places) for (segment, _), places in zip(parts, rows, strict=True)]
        )
        return EmbeddingSegment(ids, vectors)


def _allocate(rows: int, width: int) -> NDArray[np.int8]:
    return allocate(rows, width, np.int8).reshape(rows, width)
