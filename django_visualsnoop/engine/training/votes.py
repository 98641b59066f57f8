"""Vote for pictures with features like a query's, by comparing them all. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor

#: Codes further apart than this, of 64 bits, do not match.
_FARTHEST = 18
#: Number of codes compared at a time.
_BLOCK = 8192


def collect_votes(
    queries: Sequence[Descriptor], stored: Sequence[NDArray[np.uint64]]
) -> NDArray[np.float32]:
    """Return the votes of the query's features for each stored picture.

    Each feature votes for the picture with the nearest code; the nearer, the more.

    Args:
        queries: the descriptors to search for; the highest votes of any of them count.
        stored: the codes of each picture.
    """
    most = np.zeros(len(stored), dtype=np.float32)
    if not stored:
        return most
    codes = np.concatenate(stored)
    owners = np.repeat(np.arange(len(stored)), [len(one) for one in stored])
    for query in queries:
        if not len(query.codes) or not len(codes):
            continue
        near = np.full(len(query.codes), 64, dtype=np.uint8)
        nearest = np.zeros(len(query.codes), dtype=np.intp)
        for start in range(0, len(codes), _BLOCK):
            apart = np.bitwise_count(query.codes[:, None] ^ codes[None, start : start + _BLOCK])
            place = apart.argmin(axis=1)
            closest = apart[np.arange(len(place)), place]
            better = closest < near
            near[better], nearest[better] = closest[better], start + place[better]
        voting = near <= _FARTHEST
        weights = (1.0 - near[voting] / (2.0 * _FARTHEST)).astype(np.float32)
        counted = np.bincount(owners[nearest[voting]], weights, len(stored))
        most = np.maximum(most, counted.astype(np.float32))
    return most
