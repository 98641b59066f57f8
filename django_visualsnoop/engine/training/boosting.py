"""Fit the boosted trees of ``matching.trees`` with scikit-learn. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from django_visualsnoop.engine.matching.trees import BoostedTrees

if TYPE_CHECKING:
    from numpy.typing import NDArray

TREES, DEPTH, RATE, PENALTY, LEAST_LEAF, BINS = 200, 4, 0.06, 10.0, 20, 255


def fit_trees(
    inputs: NDArray[np.float32],
    truth: NDArray[np.bool_],
    weights: NDArray[np.floating],
    seed: int,
) -> BoostedTrees:
    """Return trees that tell the logarithm of the odds that a row of inputs is true.

    Args:
        inputs: n x inputs.
        truth, weights: n.
        seed: of the fit's dice.
    """
    # Only who fits the trees needs scikit-learn.
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        learning_rate=RATE,
        max_iter=TREES,
        max_depth=DEPTH,
        max_bins=BINS,
        min_samples_leaf=LEAST_LEAF,
        l2_regularization=PENALTY,
        early_stopping=False,
        random_state=seed,
    )
    model.fit(inputs, truth, sample_weight=weights)
    return _convert(model)


def _convert(model: Any) -> BoostedTrees:
    """Return the trees of a fitted ``HistGradientBoostingClassifier``."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in BoostedTrees._fields}
    start = 0
    for (predictor,) in model._predictors:
        nodes = predictor.nodes
        own = np.arange(start, start + len(nodes))
        is_leaf = nodes["is_leaf"].astype(bool)
        parts["inputs"].append(np.where(is_leaf, 0, nodes["feature_idx"]))
        parts["thresholds"].append(np.where(is_leaf, 0.0, nodes["num_threshold"]))
        parts["left"].append(np.where(is_leaf, own, start + nodes["left"].astype(np.int64)))
        parts["right"].append(np.where(is_leaf, own, start + nodes["right"].astype(np.int64)))
        parts["values"].append(np.where(is_leaf, nodes["value"], 0.0))
        parts["roots"].append(np.array([start]))
        start += len(nodes)
    joined = {name: np.concatenate(values) for name, values in parts.items() if values}
    return BoostedTrees(
        inputs=joined["inputs"].astype(np.int16),
        thresholds=joined["thresholds"].astype(np.float32),
        left=joined["left"].astype(np.int32),
        right=joined["right"].astype(np.int32),
        values=joined["values"].astype(np.float32),
        roots=joined["roots"].astype(np.int32),
        base=np.asarray(model._baseline_prediction, dtype=np.float32).reshape(1),
        depth=np.array([DEPTH], dtype=np.int32),
    )
