"""Embeddings by image id: vectors of a model that the project chooses, all of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.index.memory.codes import COLUMN, pack_signs
from django_visualsnoop.engine.index.memory.ids import Ids, build_ids, join_ids
from django_visualsnoop.engine.index.memory.layers import Layers
from django_visualsnoop.engine.index.memory.segment import allocate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.codes import Bits

#: Number of rows of vectors whose signs are packed at a time.
_ROWS = 65_536


class EmbeddingSegment(NamedTuple):
    """n images, in slots 0 to n - 1, of d values each."""

    ids: Ids
    #: n x d
    vectors: NDArray[np.int8]
    #: The signs of the vectors; empty if they say little.
    bits: Bits

    @property
    def size(self) -> int:
        return len(self.vectors)


class EmbeddingIndex(Layers[EmbeddingSegment]):
    """Safe to use from several threads, and in a child process.

    Args:
        centred: whether the mean of the model's vectors is about zero. Then the signs of two
            vectors tell how close they are; those of other models may all be the same. This also
            requires vectors of a multiple of ``codes.COLUMN`` values.
    """

    #: d, the length of the first vector.
    _width = 0

    def __init__(self, *, centred: bool = False) -> None:
        self._centred = centred
        super().__init__()

    def adopt(self, segment: EmbeddingSegment) -> None:
        self._width = segment.vectors.shape[1]
        super().adopt(segment)

    def _check(self, content: bytes) -> None:
        width = self._width or len(content)
        if not content or len(content) != width:
            raise ValueError(f"The embedding must have {width} values, not {len(content)}.")
        self._width = width

    def _build(self, images: Mapping[str, bytes]) -> EmbeddingSegment:
        vectors = _allocate(len(images), self._width)
        vectors[:] = np.frombuffer(b"".join(images.values()), np.int8).reshape(vectors.shape)
        bits = self._allocate_bits(len(vectors))
        if bits:
            for start in range(0, len(vectors), _ROWS):
                some = pack_signs(vectors[start : start + _ROWS])
                for column, signs in zip(bits, some, strict=True):
                    column[start : start + _ROWS] = signs
        return EmbeddingSegment(build_ids(list(images)), vectors, bits)

    def _merge(
        self, parts: Sequence[tuple[EmbeddingSegment, NDArray[np.bool_]]]
    ) -> EmbeddingSegment:
        rows = [np.flatnonzero(kept) for _, kept in parts]
        vectors = _allocate(sum(map(len, rows)), self._width)
        bits = self._allocate_bits(len(vectors))
        start = 0
        for (segment, _), places in zip(parts, rows, strict=True):
            end = start + len(places)
            np.take(segment.vectors, places, axis=0, out=vectors[start:end])
            for column, old in zip(bits, segment.bits, strict=True):
                np.take(old, places, out=column[start:end])
            start = end
        ids = join_ids(
            [(segment.ids, places) for (segment, _), places in zip(parts, rows, strict=True)]
        )
        return EmbeddingSegment(ids, vectors, bits)

    def _allocate_bits(self, rows: int) -> Bits:
        columns = self._width // COLUMN if self._centred and self._width % COLUMN == 0 else 0
        return tuple(allocate(rows, 1, np.uint64) for _ in range(columns))


def _allocate(rows: int, width: int) -> NDArray[np.int8]:
    return allocate(rows, width, np.int8).reshape(rows, width)
