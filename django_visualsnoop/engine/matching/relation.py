"""Tell copies, variants and other shots of a scene apart. Imports no Django.

Three models, each fitted to pairs of real and of edited pictures (see the model card beside the
data), judge the same evidence: how surely a pair is a copy; a copy or a variant; a copy, a variant
or another shot. What the features agree on counts in each of them, and what differs when one
picture is laid over the other.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.common.search_options import COPY, RELATIONS, SHOT, VARIANT
from django_visualsnoop.engine.matching.calibration import (
    SAME_FILE,
    UNRELATED,
    score_to_rank,
)
from django_visualsnoop.engine.matching.difference import EVIDENCE, VISIBLE
from django_visualsnoop.engine.matching.trees import BoostedTrees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.common.search_options import Relation as RelationName
    from django_visualsnoop.engine.matching.difference import Difference
    from django_visualsnoop.engine.matching.verify import Alignment

PATH = Path(__file__).parent / "data" / "relations.npz"

#: Names of the values that ``collect_inputs`` adds before ``EVIDENCE``.
FIRST_STAGE = (
    "score", "cosine", "inliers", "matches", "distance", "axial", "spread", "inlier_share",
    "overlap_share", "overlap_stored", "overlap_query", "overlap_more", "overlap_less",
    "overlap_nearly_all", "whole_alike", "part_alike", "odd_rest", "not_axial",
)  # fmt: skip
#: The signs of ``calibration`` that are inputs, too: those that the overlap of features gives.
_SIGNS = slice(7, 17)
#: Ranks per relation. That of the least sure copies is about 400.
RANKS = 1000
#: Pictures are identical if they show this share of each other, no details differ, and if only 3 %
#: of the places differ by more levels than this.
_WHOLE, _LEVELS = 0.9, 2.0
_MOST_INLIERS, _MOST_SPREAD, _USUAL_MATCHES = 60, 80.0, 8
#: Pictures without agreeing features differ if as many connected cells have other strong details …
_FEWEST_STRONG = 3
#: … or as many have other tones, and less than this correlation where tones agree least.
_FEWEST_APART, _AGREEING = 5, 0.85
#: If a larger share differs, they have nothing in common.
_MUCH = 0.2


class Relation(NamedTuple):
    """How two pictures are related."""

    #: One of ``search_options.RELATIONS``; ``None`` if there are no thumbnails to compare.
    name: RelationName | None
    #: The logarithm of the odds that the pictures are related at least this closely.
    score: float
    #: The logarithm of the odds that one is a copy of the other.
    copy_score: float
    #: The distance as an integer: variants are further than copies, shots than both.
    rank: int
    #: 0 to 1: the share of what both show that differs; ``None`` if unknown.
    difference: float | None

    @classmethod
    def by_score(cls, score: float) -> Relation:
        """Return the relation of pictures that cannot be laid over each other."""
        rank = 0 if score >= SAME_FILE else max(1, score_to_rank(score))
        return cls(None, score, score, rank, None)

    def to_identical(self) -> Relation:
        """Return the relation of copies between which the eye sees no difference."""
        return self._replace(rank=0)

    def to_shot(self) -> Relation:
        """Return the relation of pictures that are known to be two shots."""
        rank = _compute_rank(SHOT, self.score)
        return self._replace(name=SHOT, copy_score=UNRELATED, rank=rank)


def collect_inputs(
    score: float,
    cosine: float,
    alignment: Alignment,
    signs: NDArray[np.floating],
    difference: Difference,
) -> NDArray[np.float32]:
    """Return the inputs of the models.

    Args:
        score: log odds from features and vectors alone; see ``calibration``.
        cosine: cosine of the global vectors.
        alignment: alignment of the features.
        signs: ``calibration.collect_evidence``.
        difference: what differs.
    """
    first = [
        score,
        cosine,
        min(alignment.inliers, _MOST_INLIERS),
        alignment.matches,
        alignment.distance,
        alignment.axial,
        min(alignment.spread, _MOST_SPREAD),
        alignment.inliers / max(_USUAL_MATCHES, alignment.matches),
        *signs[_SIGNS],
    ]
    return np.concatenate([first, difference.evidence]).astype(np.float32)


def tell_relation(inputs: NDArray[np.float32], difference: Difference) -> Relation:
    """Return the relation of a pair; see ``collect_inputs``."""
    models = load_models()
    copy, variant, shot = (models[name].predict(inputs) for name in (COPY, VARIANT, SHOT))
    # Each relation includes the closer ones.
    first_score = float(inputs[0])
    if _is_identical(difference):
        copy = max(copy, first_score)
    variant = max(copy, variant)
    shot = max(variant, shot)
    name: RelationName = SHOT
    score = shot
    if copy >= 0.0:
        name, score = COPY, copy
    elif variant >= 0.0:
        name, score = VARIANT, variant
    is_seen = name != COPY or difference.share >= VISIBLE
    rank = _compute_rank(name, score if is_seen else max(score, first_score))
    return Relation(name, score, copy, rank, difference.share)


def tell_without_features(score: float, difference: Difference) -> Relation:
    """Return the relation of pictures that are alike by their vectors, though no features agree.

    These are flat but for a mark, such as a logo on a ground, of which vectors say little. The
    limits are set by hand, from logos on one ground and from bar codes.

    Args:
        score: log odds from vectors alone; see ``calibration``.
        difference: what differs if all of one is laid over all of the other.
    """
    told = dict(zip(EVIDENCE, difference.evidence.tolist(), strict=True))
    apart = max(told["luma_cells"], told["colour_cells"]) >= np.log1p(_FEWEST_APART)
    differs = told["strong_cells"] >= np.log1p(_FEWEST_STRONG)
    differs |= apart and told["tone_5"] < _AGREEING
    if not differs:
        return Relation(COPY, score, score, _compute_rank(COPY, score), difference.share)
    if difference.share < _MUCH:
        rank = _compute_rank(VARIANT, score)
        return Relation(VARIANT, score, UNRELATED, rank, difference.share)
    return Relation.by_score(UNRELATED)


def _compute_rank(name: RelationName, score: float) -> int:
    # Only ``to_identical`` gives 0.
    return max(1, RELATIONS.index(name) * RANKS + min(RANKS - 1, score_to_rank(score)))


def _is_identical(difference: Difference) -> bool:
    """Return whether nothing differs, but for some levels."""
    told = dict(zip(EVIDENCE, difference.evidence.tolist(), strict=True))
    if told["share_less"] < _WHOLE or told["different"] > 0:
        return False
    return bool(max(told["luma_97"], told["colour_97"], told["hue_97"]) <= _LEVELS)


@cache
def load_models() -> dict[str, BoostedTrees]:
    """Return the model of each relation.

    Raises:
        ValueError: they were fitted to other evidence.
    """
    with np.load(PATH) as stored:
        if tuple(stored["evidence"].tolist()) != (*FIRST_STAGE, *EVIDENCE):
            raise ValueError(f"{PATH} must be fitted again: the evidence has changed.")
        return {
            name: BoostedTrees(*(stored[f"{name}_{field}"] for field in BoostedTrees._fields))
            for name in (COPY, VARIANT, SHOT)
        }
