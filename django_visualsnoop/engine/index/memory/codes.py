"""Find global vectors by their signs, and compare them by cosine.

The signs of a vector's values are a binary code whose Hamming distance falls
with the angle (M. Charikar, Similarity estimation techniques from rounding
algorithms, STOC 2002). A search reads the first 64 signs of all images, all
``DIMENSIONS`` of those that pass, and the int8 vectors of the closest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.descriptors.matmul import matmul

if TYPE_CHECKING:
    from numpy.typing import NDArray

    #: Columns of n, one for 64 dimensions.
    Bits: TypeAlias = tuple[NDArray[np.uint64], ...]
    Mask: TypeAlias = NDArray[np.bool_]

#: Dimensions whose signs are in one column.
COLUMN = 64
#: Number of images whose vectors are compared, for each probe.
RESCORED = 200
#: Number of images that should pass the first column, for each probe …
_PASSING = 4000
#: … estimated from this many of them.
_SAMPLE = 16384
#: Number of codes compared at a time, so few that they stay in the processor's cache.
_BLOCK = 16384
#: … where all columns of a block are compared in turn.
_LARGE_BLOCK = 65536
#: Number of vectors converted to floats at a time, likewise.
_CACHED = 256


def pack_signs(vectors: NDArray[np.int8], order: NDArray[np.intp] | None = None) -> Bits:
    """Return the signs of n vectors.

    Args:
        vectors: n x a multiple of ``COLUMN``.
        order: order of the dimensions; those of the first column decide what a search reads.
            Probes that only differ in others are searched together.
    """
    positive = vectors > 0 if order is None else vectors[:, order] > 0
    packed = np.packbits(positive, axis=1, bitorder="little")
    count = vectors.shape[1] // COLUMN
    columns = np.ascontiguousarray(packed.reshape(len(vectors), count, 8).transpose(1, 0, 2))
    return tuple(columns.reshape(count, -1).view("<u8").astype(np.uint64, copy=False))


def count_different_signs(bits: Bits, signs: Bits) -> NDArray[np.unsignedinteger[Any]]:
    """Return the number of dimensions in which the signs of n vectors and of one differ.

    Of 256 dimensions, all different counts as 0: one byte is enough for the others.

    Args:
        bits: of n vectors.
        signs: of one vector, likewise.
    """
    size = len(bits[0])
    kind = np.uint8 if len(bits) * COLUMN <= 256 else np.uint16
    distances: NDArray[np.unsignedinteger[Any]] = np.zeros(size, dtype=kind)
    different = np.empty(_LARGE_BLOCK, dtype=np.uint64)
    counts = np.empty(_LARGE_BLOCK, dtype=np.uint8)
    for start in range(0, size, _LARGE_BLOCK):
        total = distances[start : start + _LARGE_BLOCK]
        for column, (value,) in zip(bits, signs, strict=True):
            block = column[start : start + _LARGE_BLOCK]
            np.bitwise_xor(block, value, out=different[: len(block)])
            np.bitwise_count(different[: len(block)], out=counts[: len(block)])
            np.add(total, counts[: len(block)], out=total)
    return distances


def find_nearest(bits: Bits, probes: Bits, count: int, kept: Mask | None) -> NDArray[np.intp]:
    """Return the slots of the ``count`` closest images of each probe, or of all images.

    In collections larger than ``_SAMPLE``, the closest by all columns are chosen only
    from the some thousand closest by the first.

    Args:
        bits: of n images.
        probes: of the probes, likewise.
        count: number of images for each probe.
        kept: n; which images to find; ``None`` for all.
    """
    found = []
    for value in np.unique(probes[0]):
        slots = _select_slots(bits, value, count, kept)
        columns = [column[slots] for column in bits]
        for probe in np.flatnonzero(probes[0] == value):
            distances = np.zeros(len(slots), dtype=np.uint16)
            for column, signs in zip(columns, probes, strict=True):
                distances += np.bitwise_count(column ^ signs[probe])
            if len(slots) > count:
                found.append(slots[np.argpartition(distances, count - 1)[:count]])
            else:
                found.append(slots)
    return np.unique(np.concatenate(found))


def _select_slots(bits: Bits, value: np.uint64, count: int, kept: Mask | None) -> NDArray[np.intp]:
    size = len(bits[0])
    if size > _SAMPLE:
        slots = _find_passing(bits[0], value, max(_PASSING, 4 * count))
        if kept is not None:
            slots = slots[kept[slots]]
        if len(slots) >= count:
            return slots
    return np.arange(size) if kept is None else np.flatnonzero(kept)


def _find_passing(column: NDArray[np.uint64], value: np.uint64, count: int) -> NDArray[np.intp]:
    """Return the slots of about the ``count`` closest codes of one column."""
    sample = np.bitwise_count(column[:: len(column) // _SAMPLE] ^ value)
    place = min(len(sample) - 1, count * len(sample) // len(column))
    limit = np.partition(sample, place)[place]
    different = np.empty(_BLOCK, dtype=np.uint64)
    distances = np.empty(_BLOCK, dtype=np.uint8)
    passed = np.empty(_BLOCK, dtype=np.bool_)
    found = []
    for start in range(0, len(column), _BLOCK):
        block = column[start : start + _BLOCK]
        size = len(block)
        np.bitwise_xor(block, value, out=different[:size])
        np.bitwise_count(different[:size], out=distances[:size])
        np.less_equal(distances[:size], limit, out=passed[:size])
        places = np.flatnonzero(passed[:size])
        places += start
        found.append(places)
    return np.concatenate(found)


def compute_cosines(vectors: NDArray[np.int8], probes: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the cosines of n vectors (rows) with each probe (columns); 0 for a zero vector."""
    columns = normalise(probes).T
    products = np.empty((len(vectors), len(probes)), dtype=np.float32)
    for start in range(0, len(vectors), _CACHED):
        rows = normalise(vectors[start : start + _CACHED])
        matmul(rows, columns, out=products[start : start + len(rows)])
    return products
