"""Images whose index does not change any more.

A segment is a handful of arrays without a Python object per image, so it can
be in memory or in a mapped file.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import (
    DIMENSIONS,
    START_BYTES,
    count_features,
)
from django_visualsnoop.engine.index.memory.codes import pack_signs
from django_visualsnoop.engine.index.memory.ids import Ids, build_ids
from django_visualsnoop.engine.index.memory.inverted import Lists, build_lists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.codes import Bits

    Array = NDArray[np.generic]

Sections: TypeAlias = "Mapping[str, tuple[type[np.generic], int]]"
#: The arrays of ``Ids``, the type of their values, and the number of values per row.
ID_SECTIONS: Sections = {
    "text": (np.uint8, 1),
    "ends": (np.int64, 1),
    "keys": (np.uint64, 1),
    "order": (np.uint32, 1),
}
#: Each array of a segment, likewise.
SECTIONS: Sections = {
    **ID_SECTIONS,
    "bits0": (np.uint64, 1),
    "bits1": (np.uint64, 1),
    "bits2": (np.uint64, 1),
    "bits3": (np.uint64, 1),
    "vectors": (np.int8, DIMENSIONS),
    "words": (np.uint32, 1),
    "starts": (np.int64, 1),
    "slots": (np.uint32, 1),
    "codes": (np.uint64, 1),
}


#: Arrays of at least this many bytes get pages of their own.
_LARGE = 1 << 18
#: Number of rows of vectors whose signs are packed at a time.
_ROWS = 65536
#: In ``Descriptor.to_bytes``: bytes per code and per word, which follow the start.
_CODE, _WORD = 8, 3


class Segment(NamedTuple):
    """n images, in slots 0 to n - 1."""

    ids: Ids
    bits: Bits
    #: n x ``DIMENSIONS``
    vectors: NDArray[np.int8]
    lists: Lists

    @property
    def size(self) -> int:
        return len(self.vectors)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by their names in ``SECTIONS``."""
        bits = {f"bits{number}": column for number, column in enumerate(self.bits)}
        return {
            **self.ids._asdict(),
            **bits,
            "vectors": self.vectors,
            **self.lists._asdict(),
        }

    @classmethod
    def from_arrays(cls, values: Mapping[str, NDArray[Any]]) -> Segment:
        """Return the segment with the arrays named as in ``SECTIONS``."""
        return cls(
            Ids(values["text"], values["ends"], values["keys"], values["order"]),
            tuple(values[f"bits{number}"] for number in range(DIMENSIONS // 64)),
            values["vectors"].reshape(-1, DIMENSIONS),
            Lists(values["words"], values["starts"], values["slots"], values["codes"]),
        )


def allocate(rows: int, width: int, kind: type[np.generic]) -> NDArray[Any]:
    """Return an uninitialised array, rows x width or just rows.

    A large one has pages of its own, which return to the system as soon as nothing uses
    them any more: between small objects on the heap they would stay for ever.
    """
    shape = (rows, width) if width > 1 else rows
    size = rows * width * np.dtype(kind).itemsize
    if size < _LARGE or not hasattr(mmap, "MAP_PRIVATE"):
        return np.empty(shape, dtype=kind)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, dtype=kind).reshape(shape)


def copy_apart(segment: Segment) -> Segment:
    """Return the same segment, with copies of its arrays in memory."""
    arrays = segment.arrays()
    for name, (kind, width) in SECTIONS.items():
        values = arrays[name]
        arrays[name] = allocate(len(values), width, kind)
        arrays[name][...] = values
    return Segment.from_arrays(arrays)


def build_vector_segment(
    ids: Ids, vectors: NDArray[np.int8], order: NDArray[np.intp] | None = None
) -> Segment:
    """Return the segment of images that have only vectors; see ``pack_signs``."""
    bits = tuple(allocate(len(vectors), 1, np.uint64) for _ in range(DIMENSIONS // 64))
    for start in range(0, len(vectors), _ROWS):
        some = pack_signs(vectors[start : start + _ROWS], order)
        for column, signs in zip(bits, some, strict=True):
            column[start : start + _ROWS] = signs
    nothing = np.empty(0, dtype=np.uint32)
    return Segment(ids, bits, vectors, build_lists(nothing, nothing, np.empty(0, dtype=np.uint64)))


def build_segment(images: Mapping[str, bytes], order: NDArray[np.intp] | None = None) -> Segment:
    """Return the segment of checked descriptors, by image id; see ``pack_signs``."""
    unpacked = _unpack(list(images.values()))
    slots = np.repeat(np.arange(len(images), dtype=np.uint32), unpacked.counts)
    return copy_apart(
        Segment(
            build_ids(list(images)),
            pack_signs(unpacked.vectors, order),
            unpacked.vectors,
            build_lists(unpacked.words, slots, unpacked.codes),
        )
    )


class _Unpacked(NamedTuple):
    """The bytes of n descriptors as a few arrays, without a Python object per feature.

    They have p features in all, in the order of the images.
    """

    #: n x ``DIMENSIONS``
    vectors: NDArray[np.int8]
    #: n; number of features of each image.
    counts: NDArray[np.int64]
    #: p
    codes: NDArray[np.uint64]
    #: p
    words: NDArray[np.uint32]


def _unpack(contents: Sequence[bytes]) -> _Unpacked:
    """Return the index data of descriptors that ``count_features`` has accepted."""
    counts = np.fromiter(map(count_features, contents), np.int64, len(contents))
    starts = np.cumsum(counts) - counts
    total = int(counts.sum())
    vectors = np.empty((len(contents), DIMENSIONS), dtype=np.int8)
    codes = np.empty(total, dtype=np.uint64)
    words = np.empty(total, dtype=np.uint32)
    # Equal numbers of features mean equal sizes: most have the highest number.
    for count in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == count)
        joined = b"".join([contents[row] for row in rows.tolist()])
        raw = np.frombuffer(joined, dtype=np.uint8).reshape(len(rows), -1)
        after_codes = START_BYTES + count * _CODE
        vectors[rows] = raw[:, :DIMENSIONS].view(np.int8)
        places = (starts[rows][:, None] + np.arange(count)).ravel()
        packed_codes = np.ascontiguousarray(raw[:, START_BYTES:after_codes])
        codes[places] = packed_codes.reshape(-1).view("<u8")
        packed_words = raw[:, after_codes : after_codes + count * _WORD].reshape(-1, _WORD)
        padded = np.zeros((len(packed_words), 4), dtype=np.uint8)
        padded[:, :_WORD] = packed_words
        words[places] = padded.reshape(-1).view("<u4")
    return _Unpacked(vectors, counts, codes, words)
