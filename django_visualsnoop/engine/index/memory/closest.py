"""Find the images whose vectors are closest to one, in portions.

Small collections, and vectors without signs (see ``EmbeddingIndex``), are compared completely. In
larger ones, this compares the images whose signs differ least first, many more than it returns; see
``codes``. So there the order is exact within a portion, and nearly exact from one to the next.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from django_visualsnoop.engine.index.base import DECIMALS, CloseImage
from django_visualsnoop.engine.index.memory.codes import count_different_signs, pack_signs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.embeddings import EmbeddingSegment
    from django_visualsnoop.engine.index.memory.layers import Visible

#: Compare all images of collections up to this size.
EXACT = 20_000
#: Images of the first portion; each of the others has ``GROWTH`` times as many as the one before.
FIRST_PORTION = 100
GROWTH = 4
#: Images to compare: so many at least, and for each one that is wanted …
_LEAST_COMPARED, _COMPARED = 2000, 20
#: … estimated from about this many of the collection.
_SAMPLE = 16_384
#: Vectors converted to floats at a time, so few that they stay in the processor's cache.
_BLOCK = 1024
#: float32 holds all sums of so many products of int8 exactly; float64 those of any length.
_EXACT_IN_SINGLE = 2**24 // 128**2


def iter_closest(
    parts: Sequence[Visible[EmbeddingSegment]],
    probe: NDArray[np.int8],
    min_cosine: float = -1.0,
) -> Iterator[list[CloseImage]]:
    """Yield the closest images by cosine, equally close ones by id, in growing portions.

    The portions contain each image with at least the cosine once. Their sizes, and what is in
    them, do not depend on how many the caller takes.

    Args:
        parts: the collection, and which of its images to find.
        probe: d; segments with vectors of another length are skipped.
        min_cosine: stop at images with a lower cosine.
    """
    comparison = _Comparison(parts, probe, min_cosine)
    total = 0
    for size in (FIRST_PORTION * GROWTH**number for number in count()):
        total += size
        portion = comparison.take(size, _LEAST_COMPARED + _COMPARED * total)
        if not portion:
            return
        yield portion


class _Comparison:
    """The images of a collection, of which some have been compared with a vector.

    Args:
        parts, probe, min_cosine: see ``iter_closest``.
    """

    def __init__(
        self,
        parts: Sequence[Visible[EmbeddingSegment]],
        probe: NDArray[np.int8],
        min_cosine: float,
    ) -> None:
        self._parts = [part for part in parts if part.segment.vectors.shape[1:] == probe.shape]
        self._probe = probe
        self._min_cosine = min_cosine
        #: Number of images to find.
        self._visible = sum(
            part.segment.size if part.kept is None else int(np.count_nonzero(part.kept))
            for part in self._parts
        )
        #: Compared and not taken yet: numbers of their parts, slots, and cosines.
        self._part_numbers = np.empty(0, dtype=np.intp)
        self._slots = np.empty(0, dtype=np.intp)
        self._cosines = np.empty(0, dtype=np.float64)
        #: Images with at most this many different signs have been compared; all if ``None``.
        self._limit: int | None = -1
        #: Number of different signs of all images of each part, and of some in order.
        self._distances: list[NDArray[np.unsignedinteger[Any]]] = []
        if self._visible <= EXACT or not all(part.segment.bits for part in self._parts):
            self._compare(None)
            return
        signs = pack_signs(probe[None])
        self._distances = [count_different_signs(part.segment.bits, signs) for part in self._parts]
        joined = np.concatenate(self._distances)
        self._sample = np.sort(joined[:: max(1, len(joined) // _SAMPLE)])

    def take(self, size: int, compared: int) -> list[CloseImage]:
        """Return the closest images that have not been taken, fewer than ``size`` at the end.

        Args:
            size: highest number of images.
            compared: compare at least about this many images before.
        """
        self._compare_closest(compared)
        while len(self._cosines) < size and self._limit is not None:
            compared *= GROWTH
            self._compare_closest(compared)
        chosen = np.arange(len(self._cosines))
        if len(chosen) > size:
            # Include all that are as close as the last wanted one: their ids decide.
            least = np.partition(self._cosines, len(chosen) - size)[len(chosen) - size]
            chosen = np.flatnonzero(self._cosines >= least)
        image_ids = self._get_ids(chosen)
        found = sorted(
            zip((-self._cosines[chosen]).tolist(), image_ids, chosen.tolist(), strict=True)
        )[:size]
        left = np.ones(len(self._cosines), dtype=np.bool_)
        left[[place for _, _, place in found]] = False
        self._part_numbers = self._part_numbers[left]
        self._slots = self._slots[left]
        self._cosines = self._cosines[left]
        return [CloseImage(image_id, -negative) for negative, image_id, _ in found]

    def _get_ids(self, chosen: NDArray[np.intp]) -> list[str]:
        image_ids = np.empty(len(chosen), dtype=np.object_)
        for number, part in enumerate(self._parts):
            own = self._part_numbers[chosen] == number
            image_ids[own] = part.segment.ids.get_ids(self._slots[chosen[own]])
        found: list[str] = image_ids.tolist()
        return found

    def _compare_closest(self, wanted: int) -> None:
        """Compare about the ``wanted`` closest images by their signs, unless it has been done."""
        if self._limit is None:
            return
        place = wanted * len(self._sample) // self._visible
        if place >= len(self._sample):
            self._compare(None)
        elif (limit := int(self._sample[place])) > self._limit:
            self._compare(limit)

    def _compare(self, limit: int | None) -> None:
        """Compare the images that have not been compared, up to a number of different signs."""
        for number, part in enumerate(self._parts):
            slots = self._list_slots(number, part, limit)
            vectors = part.segment.vectors
            cosines = _compute_cosines(vectors, slots, self._probe)
            close = cosines >= self._min_cosine
            own = np.arange(len(vectors))[close] if slots is None else slots[close]
            self._slots = np.concatenate([self._slots, own])
            self._cosines = np.concatenate([self._cosines, cosines[close]])
            self._part_numbers = np.concatenate(
                [self._part_numbers, np.full(len(own), number, dtype=np.intp)]
            )
        self._limit = limit

    def _list_slots(
        self, number: int, part: Visible[EmbeddingSegment], limit: int | None
    ) -> NDArray[np.intp] | None:
        """Return the slots of a part to compare; ``None`` for all."""
        if not self._distances:
            return None if part.kept is None else np.flatnonzero(part.kept)
        assert self._limit is not None
        distances = self._distances[number]
        wanted = distances > self._limit if self._limit >= 0 else True
        if limit is not None:
            wanted = wanted & (distances <= limit)
        slots = np.flatnonzero(np.broadcast_to(wanted, distances.shape))
        return slots if part.kept is None else slots[part.kept[slots]]


def _compute_cosines(
    vectors: NDArray[np.int8], slots: NDArray[np.intp] | None, probe: NDArray[np.int8]
) -> NDArray[np.float64]:
    """Return the cosines of some vectors with one; 0 for a zero vector.

    The products and lengths are exact, so that the cosine of two vectors is the same in every
    search.

    Args:
        vectors: n x d.
        slots: which of them; ``None`` for all.
        probe: d.
    """
    size = len(vectors) if slots is None else len(slots)
    kind: type[np.floating] = np.float32 if len(probe) <= _EXACT_IN_SINGLE else np.float64
    products, squares = np.empty(size), np.empty(size)
    values: NDArray[np.floating] = probe.astype(kind)
    buffer: NDArray[np.floating] = np.empty((_BLOCK, len(probe)), dtype=kind)
    for start in range(0, size, _BLOCK):
        end = min(size, start + _BLOCK)
        rows = buffer[: end - start]
        rows[...] = vectors[start:end] if slots is None else vectors[slots[start:end]]
        # ``einsum`` wakes no threads; see ``matmul``.
        products[start:end] = np.einsum("nk,k->n", rows, values)
        squares[start:end] = np.einsum("nk,nk->n", rows, rows)
    lengths = np.sqrt(squares * np.square(values, dtype=np.float64).sum())
    cosines: NDArray[np.float64] = np.divide(
        products, lengths, out=np.zeros(size), where=lengths > 0
    )
    return cosines.round(DECIMALS)
