"""The bytes of many descriptors as a few arrays, without a Python object per feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, START_BYTES, count_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Of ``Descriptor.to_bytes``: behind the start, the codes and words, of so many bytes each.
_CODE, _WORD = 8, 3


class Unpacked(NamedTuple):
    """n images with p features in all, in the order of the images."""

    #: n x ``DIMENSIONS``
    vectors: NDArray[np.int8]
    #: n; features of each image.
    counts: NDArray[np.int64]
    #: p
    codes: NDArray[np.uint64]
    #: p
    words: NDArray[np.uint32]


def unpack(contents: Sequence[bytes]) -> Unpacked:
    """Return what an index needs of descriptors that ``count_features`` has accepted."""
    counts = np.fromiter(map(count_features, contents), np.int64, len(contents))
    starts = np.cumsum(counts) - counts
    total = int(counts.sum())
    vectors = np.empty((len(contents), DIMENSIONS), dtype=np.int8)
    codes = np.empty(total, dtype=np.uint64)
    words = np.empty(total, dtype=np.uint32)
    # Those with as many features have as many bytes: most have all that there may be.
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
    return Unpacked(vectors, counts, codes, words)
