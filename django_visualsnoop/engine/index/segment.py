"""Images whose index does not change any more.

A segment is a handful of arrays without a Python object per image, so it can
lie in memory or in a mapped file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptor import DIMENSIONS
from django_visualsnoop.engine.index.codes import bits_of
from django_visualsnoop.engine.index.ids import Ids, ids_of
from django_visualsnoop.engine.index.inverted import Lists, lists_of
from django_visualsnoop.engine.index.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.codes import Bits

    Array = NDArray[np.generic]

#: Each array of a segment, the type of its values, and how many there are in a row.
SECTIONS: Mapping[str, tuple[type[np.generic], int]] = {
    "text": (np.uint8, 1),
    "ends": (np.int64, 1),
    "keys": (np.uint64, 1),
    "order": (np.uint32, 1),
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

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Segment:
        """Return the segment whose arrays are called as in ``SECTIONS``."""
        values: Mapping[str, NDArray] = arrays  # type: ignore[type-arg]
        return cls(
            Ids(values["text"], values["ends"], values["keys"], values["order"]),
            tuple(values[f"bits{number}"] for number in range(DIMENSIONS // 64)),
            values["vectors"].reshape(-1, DIMENSIONS),
            Lists(values["words"], values["starts"], values["slots"], values["codes"]),
        )


def built(images: Mapping[str, bytes]) -> Segment:
    """Return the segment of descriptors that were checked, by image id."""
    unpacked = unpack(list(images.values()))
    slots = np.repeat(np.arange(len(images), dtype=np.uint32), unpacked.counts)
    return Segment(
        ids_of(list(images)),
        bits_of(unpacked.vectors),
        unpacked.vectors,
        lists_of(unpacked.words, slots, unpacked.codes),
    )
