"""Convert the evidence for a copy into the numbers that users see. Imports no Django."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.descriptors.local_features import FEW
from django_visualsnoop.engine.descriptors.weights import load_learned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.overlap import Overlap
    from django_visualsnoop.engine.matching.verify import Alignment

    Floats = NDArray[np.floating]

#: Pairs at least this similar are shown as copies unless the caller says otherwise.
DEFAULT_MIN_SIMILARITY = 0.5
#: From these log odds on, pictures are as alike as a picture and its JPEG.
IDENTICAL = 5.0

#: Log odds of featureless pictures: of those with equal files, and of all others.
SAME_FILE, UNRELATED = 20.0, -20.0

_RANK_STEPS = 16

#: With fewer than ``FEW`` features: by this slope around this cosine; set by hand, from pictures
#: of one colour.
_SLOPE, _CENTRE = 400.0, 0.965
#: From this cosine on, a picture whose details agree is the same one, hardly edited; the slope
#: is set by hand, so that a file and its copy get the highest possible certainty.
_SAME, _SAME_SLOPE = 0.995, 1200.0
#: Number of inputs that speak for a copy by themselves, including the constant …
_SIGNS = 17
#: … and the indices of each two of them, without the constant, whose product is an input, too.
_ONE, _OTHER = (places + 1 for places in np.triu_indices(_SIGNS - 1))
#: Number of values that ``collect_evidence`` returns.
INPUTS = _SIGNS + len(_ONE)
#: From this many inliers on, the directions of the agreeing features are fully reliable.
_TELLING = 14
#: Index of the input that says, from 0 to 1, that something is the same.
_PROVEN = 3


def collect_evidence(
    cosines: Floats,
    matches: Sequence[Alignment],
    overlaps: Sequence[Overlap],
    features: Sequence[int],
) -> Floats:
    """Return the evidence for copies, as the inputs of a logistic regression: n x ``INPUTS``.

    Except for the first, no input ever speaks against a copy. The products of each two let one
    count as much as another allows.

    Args:
        cosines: cosines of the global vectors; one for each pair, as in the other arguments.
        matches: alignments of the local features.
        overlaps: overlaps of the local features.
        features: numbers of features of the picture that has fewer.
    """
    columns = zip(*(match[:5] for match in matches), strict=True)
    inliers, matched, distances, axial, spreads = map(np.array, columns)
    share, stored, query, whole = map(np.array, zip(*overlaps, strict=True))
    # Any two features agree on some transform.
    agreeing = np.maximum(0, inliers - 2)
    proofs = np.array([math.log1p(count) for count in agreeing.tolist()])
    # A few matches prove that something is the same. Whether everything is, depends on where
    # they lie, not on how many there are.
    proven = np.minimum(1.0, proofs / 2)
    less, more = np.minimum(stored, query), np.maximum(stored, query)
    told = np.minimum(1.0, agreeing / (_TELLING - 2))
    signs = np.stack(
        [
            np.ones(len(cosines)),
            np.maximum(0.0, cosines),
            np.maximum(0.0, cosines - 0.9) * [math.exp(-count / 24) for count in features],
            proven,
            proven * np.maximum(0.0, 1.0 - distances / 16),
            proven * np.minimum(1.0, spreads / 16),
            proven * inliers / np.maximum(8, matched),
            proven * share,
            proven * stored,
            proven * query,
            proven * np.maximum(0.0, more - 0.5),
            proven * np.maximum(0.0, less - 0.7),
            proofs * np.maximum(0.0, less - 0.9),
            # Pictures that show the same as a whole look alike as a whole …
            proven * whole * np.maximum(0.0, cosines - 0.5),
            # … but cropped pictures, and those pasted on another, need not.
            proven * (1.0 - whole) * more,
            # If much differs although features agree to the bit, the pictures share a page or a
            # frame; an edit changes everything a little.
            proven * (1.0 - less) * np.minimum(1.0, distances / 16),
            # Pages of one layout share words and lines.
            told * (1.0 - axial),
        ],
        axis=1,
    )
    return np.concatenate([signs, signs[:, _ONE] * signs[:, _OTHER]], axis=1)


def compute_score(evidence: Floats, cosine: float, features: int) -> float:
    """Return the logarithm of the odds that a pair is a copy.

    Args:
        evidence, cosine, features: of one pair; see ``collect_evidence``.
    """
    if features < FEW:
        return _SLOPE * (cosine - _CENTRE)
    same = _SAME_SLOPE * max(0.0, cosine - _SAME) * float(evidence[_PROVEN])
    return float(evidence @ load_learned().weights) + same


def score_to_similarity(score: float) -> float:
    """Return the probability, 0 to 1, that two pictures with this score are copies."""
    return 1.0 / (1.0 + math.exp(-max(-700.0, score)))


def similarity_to_score(wanted: float) -> float:
    """Return the lowest score for which ``score_to_similarity`` is at least ``wanted``."""
    if wanted <= 0.0:
        return -math.inf
    if wanted >= 1.0:
        return math.inf
    return math.log(wanted / (1.0 - wanted))


def score_to_rank(score: float) -> int:
    """Return the distance as an integer; 0 if nothing speaks against a copy."""
    return max(0, round(_RANK_STEPS * (IDENTICAL - score)))
