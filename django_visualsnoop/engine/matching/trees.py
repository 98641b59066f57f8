"""Evaluate boosted regression trees. Imports no Django.

Each tree is a row of decisions; the sum of the leaves that an input reaches is the logarithm of the
odds (J. Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics
2001).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BoostedTrees(NamedTuple):
    """The nodes of all trees, n in all. A leaf is its own left and right child."""

    #: Index of the input that decides.
    inputs: NDArray[np.int16]
    #: An input of at most this goes left.
    thresholds: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    #: What a leaf adds; 0 for other nodes.
    values: NDArray[np.float32]
    #: Index of the root of each tree.
    roots: NDArray[np.int32]
    #: One value: what all inputs have in common.
    base: NDArray[np.float32]
    #: One value: the largest number of decisions of a tree.
    depth: NDArray[np.int32]

    def predict(self, evidence: NDArray[np.float32]) -> float:
        """Return the logarithm of the odds for one input."""
        nodes = self.roots
        for _ in range(int(self.depth[0])):
            goes_left = evidence[self.inputs[nodes]] <= self.thresholds[nodes]
            nodes = np.where(goes_left, self.left[nodes], self.right[nodes])
        return float(self.base[0]) + float(self.values[nodes].sum())
