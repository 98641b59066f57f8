"""Arrays of numbers as PostgreSQL reads and writes them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from django_visualsnoop.engine.descriptors.describe import DIMENSIONS, Descriptor, invariant_first
from django_visualsnoop.engine.descriptors.weights import load_dihedral_action
from django_visualsnoop.engine.index.keys import build_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

#: Multiplied by it, successive numbers are far apart (D. Knuth, The Art of Computer
#: Programming 3, 6.4): the keys of two collections have little in common.
_SPREAD = 0x9E3779B1


def format_array(values: NDArray[np.integer[Any]] | Iterable[object]) -> str:
    """Return numbers, or bits, as an array literal: drivers convert one value after the other."""
    items = values.tolist() if isinstance(values, np.ndarray) else values
    return f"{{{','.join(map(str, items))}}}"


def format_texts(values: Iterable[str]) -> str:
    """Return an array literal of texts, without those that no text of PostgreSQL can equal."""
    joined = "\0".join(one for one in values if "\0" not in one)
    if not joined:
        return "{}"
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    return f'{{"{escaped}"}}'


def format_signs(vectors: NDArray[np.int8]) -> list[str]:
    """Return the signs of vectors (n x ``DIMENSIONS``) as n strings of bits.

    Those that stay the same however a picture is turned or mirrored come first: all probes of one
    picture have the same first ``count_steady()`` bits.
    """
    text = ((vectors[:, invariant_first()] > 0).view(np.uint8) + ord("0")).tobytes().decode("ascii")
    return [text[start : start + DIMENSIONS] for start in range(0, len(text), DIMENSIONS)]


@cache
def count_steady() -> int:
    """Return the number of values of a vector that no turn changes."""
    rows, signs = load_dihedral_action()
    return int(((rows == rows[0]) & (signs == 1)).all(axis=0).sum())


def mix_keys(keys: NDArray[np.unsignedinteger[Any]], collection: int) -> NDArray[np.int32]:
    """Return the keys of a collection's features among those of all; see ``tables``.

    Mixing them again returns the keys.

    Args:
        keys: n; of 32 bits.
        collection: number of the collection.
    """
    mask = np.uint32(collection * _SPREAD % 2**32)
    return (keys.astype(np.uint32) ^ mask).view(np.int32)


def build_mixed_keys(descriptor: Descriptor, collection: int) -> NDArray[np.int32]:
    """Return the mixed key of each feature."""
    return mix_keys(build_keys(descriptor.words, descriptor.codes), collection)


def parse_descriptor(content: bytes | None) -> Descriptor | None:
    """Return a descriptor; ``None`` if it cannot be compared."""
    if content is None:
        return None
    try:
        return Descriptor.from_bytes(content)
    except ValueError:
        return None
