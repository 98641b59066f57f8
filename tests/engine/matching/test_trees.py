"""Boosted trees, evaluated by hand."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.matching.trees import BoostedTrees

#: Input 0 at most 1: input 1 at most 5: 10, else 20; else 40. And always 0.5.
TREES = BoostedTrees(
    inputs=np.array([0, 1, 0, 0, 0, 0], dtype=np.int16),
    thresholds=np.array([1, 5, 0, 0, 0, 0], dtype=np.float32),
    left=np.array([1, 2, 2, 3, 4, 5], dtype=np.int32),
    right=np.array([4, 3, 2, 3, 4, 5], dtype=np.int32),
    values=np.array([0, 0, 10, 20, 40, 0.5], dtype=np.float32),
    roots=np.array([0, 5], dtype=np.int32),
    base=np.array([-3], dtype=np.float32),
    depth=np.array([2], dtype=np.int32),
)


@pytest.mark.parametrize(
    ("evidence", "score"),
    [((1, 5), 7.5), ((0, 5.1), 17.5), ((1.1, 0), 37.5), ((9, 9), 37.5)],
)
def test_each_tree_adds_the_leaf_that_the_evidence_reaches(
    evidence: tuple[float, float], score: float
) -> None:
    assert TREES.predict(np.array(evidence, dtype=np.float32)) == score
