"""Keys of local features, for indexes that compare by equality alone. Imports no Django.

The memory index compares the codes of all features of a word. B-trees, sparse vectors and hash
tables cannot compare codes, but they find equal keys fast. A key joins the word of a feature with
some bits of its code, so two features have one key if both agree. Most features of a copy differ
from those of the original in some of the bits; the others are enough to find it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import Features

#: Number of bits of a word.
WORD_BITS = 20
#: Number of bits of the code in a key, unless told otherwise: a key then has 32 bits.
CODE_BITS = 12
#: The bits of the code in the order in which keys take them: those first that copies keep and that
#: features of the same word do not share anyway.
_BITS = (7, 24, 13, 2, 30, 5, 21, 33, 50, 44, 38, 57, 22, 51, 29, 26)
#: The largest number of bits of the code in a key.
MAX_CODE_BITS = len(_BITS)


class QueryKeys(NamedTuple):
    """m keys to look up, without repetitions: no key occurs twice with the same feature."""

    #: m; sorted. A key may occur with several features.
    keys: NDArray[np.unsignedinteger]
    #: m; the number of the feature in its view.
    features: NDArray[np.int64]


def build_keys(
    words: NDArray[np.uint32], codes: NDArray[np.uint64], code_bits: int = CODE_BITS
) -> NDArray[np.unsignedinteger]:
    """Return the keys of features: uint32 up to ``CODE_BITS`` bits of the code, else uint64.

    A key starts with the word. The bits of the code follow, the most telling first. So the key with
    fewer bits is a prefix of the key with more bits: ``key >> 4`` of 12 bits is the key of 8 bits.

    Args:
        words: n words, below 2**20.
        codes: n codes.
        code_bits: number of bits of the code in a key, 0 to ``MAX_CODE_BITS``.

    Raises:
        ValueError: there are no keys with this many bits.
    """
    if not 0 <= code_bits <= MAX_CODE_BITS:
        raise ValueError(f"code_bits must be 0 to {MAX_CODE_BITS}, not {code_bits}.")
    kind = np.uint32 if code_bits <= CODE_BITS else np.uint64
    chosen = select_code_bits(codes) >> np.uint16(MAX_CODE_BITS - code_bits)
    return (words.astype(np.uint64) << np.uint64(code_bits) | chosen).astype(kind)


def select_code_bits(codes: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Return the ``MAX_CODE_BITS`` bits of n codes that keys may take, the first one highest."""
    chosen = np.zeros(len(codes), dtype=np.uint16)
    for number, table in enumerate(_build_tables()):
        # Clip while gathering, so that numpy does not check every index.
        chosen |= table.take((codes >> np.uint64(8 * number)).astype(np.uint8), mode="clip")
    return chosen


@cache
def _build_tables() -> NDArray[np.uint16]:
    """Return what each of the 8 bytes of a code adds to the chosen bits: 8 x 256."""
    tables = np.zeros((8, 256), dtype=np.uint16)
    for place, bit in enumerate(_BITS):
        byte, shift = divmod(bit, 8)
        is_set = np.arange(256, dtype=np.uint16) >> np.uint16(shift) & np.uint16(1)
        tables[byte] |= is_set << np.uint16(MAX_CODE_BITS - 1 - place)
    return tables


def build_query_keys(features: Features, code_bits: int = CODE_BITS) -> QueryKeys:
    """Return the keys to look up for one view of a query.

    Each feature has a key for each of its near words. The view of the mirrored picture has keys of
    its own, from its own words and codes.

    Args:
        features: the features of the view.
        code_bits: as in ``build_keys``.
    """
    count, near = features.words.shape
    keys = build_keys(features.words.ravel(), np.repeat(features.codes, near), code_bits)
    numbers = np.repeat(np.arange(count, dtype=np.int64), near)
    order = np.lexsort((numbers, keys))
    keys, numbers = keys[order], numbers[order]
    first = np.ones(len(keys), dtype=np.bool_)
    first[1:] = (keys[1:] != keys[:-1]) | (numbers[1:] != numbers[:-1])
    return QueryKeys(keys[first], numbers[first])
