"""Sets of images with so many known copies that their pairs need no comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.index.memory.pair_counts import split_pair_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.pair_counts import Keys

#: Of each crowd so many images stand for all when local features are compared.
KEPT = 16


class Crowds:
    """Which images, by their numbers in a collection, belong to which crowd.

    Args:
        count: the number of images in the collection.
    """

    def __init__(self, count: int) -> None:
        #: By number; 0 for images of no crowd.
        self._crowds = np.zeros(count, dtype=np.int32)
        self._last = 0

    def add_crowd(self) -> int:
        """Return the name of a crowd that has no image yet."""
        self._last += 1
        return self._last

    def assign(self, numbers: Sequence[int], crowd: int) -> None:
        self._crowds[list(numbers)] = crowd

    def find_within(self, keys: Keys) -> NDArray[np.bool_]:
        """Return which pairs have both images in one crowd."""
        first, second = (self._crowds[slots] for slots in split_pair_keys(keys))
        within: NDArray[np.bool_] = (first == second) & (first > 0)
        return within

    def find_spared(self) -> NDArray[np.bool_]:
        """Return which images need no look at their features, since others stand for them."""
        spared = self._crowds > 0
        order = np.flatnonzero(spared)
        if not len(order):
            return spared
        order = order[np.argsort(self._crowds[order], kind="stable")]
        firsts = np.flatnonzero(np.diff(self._crowds[order], prepend=0))
        for crowd in np.split(order, firsts[1:]):
            # Some from everywhere: what was added together is often more alike.
            spared[crowd[np.linspace(0, len(crowd) - 1, KEPT).astype(np.intp)]] = False
        return spared
