"""Pairs of pictures of which is known whether one is a copy, and a logistic fit. No Django."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine import calibration
from django_visualsnoop.engine.augment import (
    cropped_hard,
    edited,
    encoded,
    mirrored,
    pasted,
    seen_askew,
)
from django_visualsnoop.engine.compare import compare
from django_visualsnoop.engine.describe import describe, probes, unit
from django_visualsnoop.engine.votes import votes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from django_visualsnoop.engine.decode import Pixels
    from django_visualsnoop.engine.describe import Probes
    from django_visualsnoop.engine.descriptor import Descriptor

    Floats = NDArray[np.floating]

#: Pictures compared with each query, by their vectors and by their features' votes, each.
CANDIDATES = 15
#: Penalty of the weights' squares, by pair; of 1e-5, 1e-4 and 1e-3 the one with the least log
#: loss on held-out training pairs.
_RIDGE = 1e-3


def candidates(query: Probes, stored: Sequence[Descriptor], count: int) -> NDArray[np.intp]:
    """Return the places of the pictures closest by their vectors or with the most votes."""
    vectors = unit(np.stack([one.vector for one in stored]))
    cosines = (unit(query.vectors) @ vectors.T).max(axis=0)
    voted = votes(query.pictures, [one.codes for one in stored])
    return np.union1d(np.argsort(-cosines)[:count], np.argsort(-voted)[:count])


def queries(pixels: Pixels, others: Sequence[Pixels], dice: Generator) -> Iterator[Pixels]:
    """Yield edited copies, from those easy to those hard to find."""
    quality = int(dice.integers(30, 90))
    other = others[int(dice.integers(len(others)))]
    yield edited(pixels, dice)
    yield edited(pixels, dice, most=5)
    yield encoded(cropped_hard(pixels, dice), quality)
    yield edited(cropped_hard(pixels, dice), dice, most=2)
    yield encoded(pasted(pixels, other, dice), quality)
    yield edited(mirrored(pixels, dice), dice)
    yield edited(seen_askew(pixels, dice), dice, most=2)


def pairs(photos: Sequence[Pixels], dice: Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """Return rows of evidence, and which are of copies.

    Half of the photographs are stored; edits of all are looked for among them, and those that a
    search would compare become the rows.
    """
    order = dice.permutation(len(photos))
    stored = [describe(photos[number]) for number in order[: len(order) * 2 // 3]]
    backgrounds = [photos[number] for number in order[len(order) * 2 // 3 :]]
    rows: list[Floats] = []
    truth: list[bool] = []
    for place, number in enumerate(order):
        for query in queries(photos[number], backgrounds, dice):
            probed = probes(query)
            for other in candidates(probed, stored, CANDIDATES):
                found = compare(probed, stored[other])
                features = min(len(probed.pictures[found.picture].codes), len(stored[other].codes))
                if features < calibration.FEW:
                    continue
                rows.append(calibration.evidence(found.cosine, found.match, features))
                truth.append(bool(other == place))
    return np.stack(rows), np.array(truth)


def logistic(rows: Floats, truth: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the weights of a logistic regression, none negative but the first (the constant's).

    By Newton's method on the weights that are not held at zero.
    """
    scales = np.maximum(rows.std(axis=0), 1e-6)
    scales[0] = 1.0
    inputs = rows / scales
    weights = np.zeros(rows.shape[1])
    penalty = np.full(rows.shape[1], _RIDGE * len(rows))
    penalty[0] = 0.0
    for _ in range(300):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (truth - chance) - penalty * weights
        free = np.flatnonzero((weights > 0) | (slope > 0) | (np.arange(len(weights)) == 0))
        some = inputs[:, free]
        bend = (some * (chance * (1 - chance))[:, None]).T @ some + np.diag(penalty[free])
        step = np.linalg.solve(bend + 1e-9 * np.eye(len(free)), slope[free])
        changed = weights.copy()
        changed[free] += step * min(1.0, 2.0 / max(1e-9, float(np.abs(step).max())))
        changed[1:] = np.maximum(changed[1:], 0.0)
        moved = float(np.abs(changed - weights).max())
        weights = changed
        if moved < 1e-7:
            break
    return (weights / scales).astype(np.float32)


def log_loss(chances: Floats, truth: NDArray[np.bool_]) -> float:
    right = np.where(truth, chances, 1 - chances)
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def calibration_error(chances: Floats, truth: NDArray[np.bool_], least: float = 0.05) -> float:
    """Return the mean gap between what was said and what was so, in ten bins of equal width.

    Args:
        least: pairs said to be less are left out; there are very many of them, and all right.
    """
    said, so = chances[chances >= least], truth[chances >= least]
    bins = np.minimum((said * 10).astype(np.intp), 9)
    gaps = [abs(said[bins == b].sum() - so[bins == b].sum()) for b in range(10)]
    return float(sum(gaps) / max(1, len(said)))
