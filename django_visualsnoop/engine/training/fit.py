"""Collect pairs of pictures with known truth, and fit a logistic regression. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.describe import build_probes, describe
from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.descriptors.local_features import FEW
from django_visualsnoop.engine.matching.compare import compare_all
from django_visualsnoop.engine.training import hard_negatives as decoy
from django_visualsnoop.engine.training.augment import (
    crop_hard,
    crop_to,
    edit,
    mirror,
    paste,
    reencode,
    view_askew,
)
from django_visualsnoop.engine.training.perturb import disfigure
from django_visualsnoop.engine.training.votes import collect_votes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.images.decode import Pixels
    from django_visualsnoop.engine.matching.compare import Comparison

    Floats = NDArray[np.floating]

#: Pictures compared with each query: this many by their vectors, and by their features' votes.
CANDIDATES = 10
#: Number of surroundings shared by a few photographs, and of layouts shared by a few pages.
DECOYS = 30
#: Number of pictures of each that are stored, and that are queried.
MEMBERS = 4, 3
#: How many stored decoys with photographs are also queried by copies; all others are.
COPIED = 2
#: Weight of a pair of decoys that are not copies: collections are mostly of other things. A higher
#: weight makes edited copies look less likely than they are; a lower one takes pages of one layout
#: for copies. Set by hand, between the two.
DECOY = 0.3
#: Weight of any other pair that are not copies: a large collection offers more of them.
OTHER = 3.0
#: Penalty on the squared weights, per pair; of 1e-5, 1e-4 and 1e-3, the one with the least log
#: loss on held-out training pairs.
_RIDGE = 1e-3
#: How often a step of the fit is halved at most.
_HALVINGS = 40


class Pairs(NamedTuple):
    """Pairs that a search would compare."""

    #: The evidence: n x ``calibration.INPUTS``.
    rows: Floats
    #: Which pairs are copies.
    truth: NDArray[np.bool_]
    #: The weight of each pair.
    shares: Floats

    def joined(self, other: Pairs) -> Pairs:
        """Return these and other pairs."""
        return Pairs(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.shares, other.shares]),
        )


def select_candidates(query: Probes, stored: Sequence[Descriptor], count: int) -> NDArray[np.intp]:
    """Return the indices of the pictures with the closest vectors or the most votes."""
    vectors = normalise(np.stack([one.vector for one in stored]))
    cosines = (normalise(query.vectors) @ vectors.T).max(axis=0)
    voted = collect_votes(query.pictures, [one.codes for one in stored])
    return np.union1d(np.argsort(-cosines)[:count], np.argsort(-voted)[:count])


def draw_queries(pixels: Pixels, others: Sequence[Pixels], dice: Generator) -> Iterator[Pixels]:
    """Yield edited copies, the easily found ones first."""
    quality = int(dice.integers(30, 90))
    other = others[int(dice.integers(len(others)))]
    yield edit(pixels, dice)
    yield edit(pixels, dice, most=5)
    yield reencode(crop_hard(pixels, dice), quality)
    yield edit(crop_hard(pixels, dice), dice, most=2)
    yield reencode(paste(pixels, other, dice), quality)
    yield edit(mirror(pixels, dice), dice)
    yield edit(view_askew(pixels, dice), dice, most=2)
    yield from disfigure(pixels, other, dice)


def draw_decoys(photos: Sequence[Pixels], dice: Generator) -> Iterator[tuple[int, bool, Pixels]]:
    """Yield pictures that look alike but show different things, to store and to query.

    Yields:
        The number of the photograph in it, or a negative one that no other picture has; whether
        to store the picture; the picture.
    """
    other = -1
    for number in range(DECOYS):
        seed = int(dice.integers(2**32))
        template = decoy.TEMPLATES[number % len(decoy.TEMPLATES)]
        drawn = dice.integers(0, len(photos), sum(MEMBERS)).tolist()
        for place, photo in enumerate(drawn):
            made = template(photos[photo], np.random.default_rng(seed))
            yield photo, place < MEMBERS[0], _reencode(made, dice)
            if place < COPIED:
                yield from ((photo, False, one) for one in _draw_copies(made, dice))
        for place in range(sum(MEMBERS)):
            own = np.random.default_rng([seed, place])
            same = np.random.default_rng(seed)
            made = decoy.draw_page_of_words(same, own) if number % 2 else decoy.draw_drawing(own)
            yield other, place < MEMBERS[0], _reencode(made, dice)
            if place < MEMBERS[0]:
                yield from ((other, False, one) for one in _draw_copies(made, dice))
            other -= 1


def _reencode(pixels: Pixels, dice: Generator) -> Pixels:
    return reencode(pixels, int(dice.integers(40, 90)))


def _draw_copies(page: Pixels, dice: Generator) -> Iterator[Pixels]:
    """Yield a page as people save, photograph and crop it."""
    yield _reencode(page, dice)
    yield _reencode(view_askew(page, dice), dice)
    yield _reencode(np.ascontiguousarray(crop_to(page, dice, 0.3, 0.7)), dice)


class DrawnPair(NamedTuple):
    """A pair with known truth that a search would compare."""

    comparison: Comparison
    #: Whether it is a copy.
    truth: bool
    #: Whether both are decoys.
    alike: bool


def build_pairs(photos: Sequence[Pixels], dice: Generator) -> Pairs:
    """Return the evidence for pairs with known truth; see ``draw_pairs``."""
    drawn = list(draw_pairs(photos, dice))
    shares = [1.0 if one.truth else DECOY if one.alike else OTHER for one in drawn]
    rows = np.stack([one.comparison.evidence for one in drawn])
    return Pairs(rows, np.array([one.truth for one in drawn]), np.array(shares))


def draw_pairs(photos: Sequence[Pixels], dice: Generator) -> Iterator[DrawnPair]:
    """Yield pairs with known truth.

    Two thirds of the photographs are stored, and decoys. The queries are edits of all photographs,
    and other decoys; the pairs are those that a search would compare. The queried decoys are
    edited like the copies, or the edits alone would tell the two apart.
    """
    order = dice.permutation(len(photos)).tolist()
    present, absent = order[: len(order) * 2 // 3], order[len(order) * 2 // 3 :]
    # Each with the number of its content, and whether it is a decoy.
    stored = [(number, False, describe(photos[number])) for number in present]
    backgrounds = [photos[number] for number in absent]
    wanted = [
        (one, False, query)
        for one in order
        for query in draw_queries(photos[one], backgrounds, dice)
    ]
    # The decoys don't show the backgrounds: they would be copies of them.
    for number, kept, picture in draw_decoys([photos[one] for one in present], dice):
        shown = present[number] if number >= 0 else number
        if kept:
            stored.append((shown, True, describe(picture)))
        else:
            wanted += [(shown, True, picture), (shown, True, edit(picture, dice))]
    descriptors = [descriptor for *_, descriptor in stored]
    for number, is_decoy, query in wanted:
        probed = build_probes(query)
        places = select_candidates(probed, descriptors, CANDIDATES).tolist()
        compared = compare_all(probed, [descriptors[place] for place in places])
        for place, found in zip(places, compared, strict=True):
            codes = probed.pictures[found.picture].codes
            if min(len(codes), len(descriptors[place].codes)) >= FEW:
                shown, is_like_it, _ = stored[place]
                yield DrawnPair(found, shown == number, is_decoy and is_like_it)


def fit_logistic(pairs: Pairs) -> NDArray[np.float32]:
    """Return the weights of a logistic regression; only the first, the constant's, may be negative.

    The fit uses projected Newton steps (D. Bertsekas, SIAM J. Control and Optimization 1982) on the
    weights that are not held at zero. It shortens each step until it lowers the loss: with
    correlated inputs, whole steps may oscillate for ever.
    """
    rows, truth, shares = pairs
    scales = np.maximum(rows.std(axis=0), 1e-6)
    scales[0] = 1.0
    inputs = rows / scales
    weights = np.zeros(rows.shape[1])
    penalty = np.full(rows.shape[1], _RIDGE * shares.sum())
    penalty[0] = 0.0
    signs = np.where(truth, 1.0, -1.0)

    def loss(weights: Floats) -> float:
        misses = shares @ np.logaddexp(0.0, -signs * (inputs @ weights))
        return float(misses + 0.5 * (penalty * weights**2).sum())

    reached = loss(weights)
    for _ in range(300):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (shares * (truth - chance)) - penalty * weights
        free = np.flatnonzero((weights > 0) | (slope > 0) | (np.arange(len(weights)) == 0))
        some = inputs[:, free]
        bend = (some * (shares * chance * (1 - chance))[:, None]).T @ some + np.diag(penalty[free])
        step = np.zeros_like(weights)
        step[free] = np.linalg.solve(bend + 1e-9 * np.eye(len(free)), slope[free])
        before = reached
        for halvings in range(_HALVINGS):
            changed = weights + step / 2**halvings
            changed[1:] = np.maximum(changed[1:], 0.0)
            reached = loss(changed)
            if reached < before:
                weights = changed
                break
        if not reached < before - 1e-9 * abs(before):
            break
    return (weights / scales).astype(np.float32)


def compute_log_loss(chances: Floats, truth: NDArray[np.bool_]) -> float:
    right = np.where(truth, chances, 1 - chances)
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def compute_calibration_error(
    chances: Floats, truth: NDArray[np.bool_], least: float = 0.05
) -> float:
    """Return the mean gap between predicted and true shares, in ten bins of equal width.

    Args:
        least: omit pairs with a lower prediction; there are very many of them, and all are right.
    """
    said, so = chances[chances >= least], truth[chances >= least]
    bins = np.minimum((said * 10).astype(np.intp), 9)
    gaps = [abs(said[bins == b].sum() - so[bins == b].sum()) for b in range(10)]
    return float(sum(gaps) / max(1, len(said)))
