"""From what two pictures have in common to what a person is shown. Imports no Django."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.descriptors.local_features import FEW
from django_visualsnoop.engine.descriptors.weights import load_learned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.overlap import Overlap
    from django_visualsnoop.engine.matching.verify import Alignment

    Floats = NDArray[np.floating]

#: Pairs at least this similar are shown as copies unless the caller says otherwise.
DEFAULT_MIN_SIMILARITY = 0.5
#: The logarithm of the odds from which on pictures are as alike as a picture and its JPEG.
IDENTICAL = 5.0

#: Of pictures in which nothing tells them apart: those of equal files, and all others.
SAME_FILE, UNRELATED = 20.0, -20.0

_RANK_STEPS = 16

#: … at cosines of about this; set by hand, from pictures of one colour.
_SLOPE, _CENTRE = 400.0, 0.965
#: From this cosine on, a picture whose details agree is the same one, hardly edited; the slope
#: is set by hand, so that a file and its copy are as sure as can be.
_SAME, _SAME_SLOPE = 0.995, 1200.0
#: What speaks for a copy by itself, the constant included …
_SIGNS = 17
#: … and the places in it of each two, the constant aside, whose product does, too.
_ONE, _OTHER = (places + 1 for places in np.triu_indices(_SIGNS - 1))
#: How many numbers ``collect_evidence`` returns.
INPUTS = _SIGNS + len(_ONE)
#: Inliers from which on the directions of what agrees tell all they can.
_TELLING = 14
#: Which of them says that something is the same, from 0 to 1.
_PROVEN = 3


def collect_evidence(cosine: float, match: Alignment, overlap: Overlap, features: int) -> Floats:
    """Return what speaks for a copy, as the inputs of a logistic regression.

    But for the first, none of them ever speaks against one. The products of each two let one count
    as much as another allows.

    Args:
        cosine: of the global vectors.
        match: of the local features.
        overlap: of the same.
        features: of the picture that has fewer.
    """
    proofs = math.log1p(max(0, match.inliers - 2))  # any two features agree on some transform
    # A few matches prove that something is the same; whether all is, say not more of them, but
    # where they lie.
    proven = min(1.0, proofs / 2)
    less, more = sorted((overlap.stored, overlap.query))
    told = min(1.0, max(0, match.inliers - 2) / (_TELLING - 2))
    signs = np.array(
        [
            1.0,
            max(0.0, cosine),
            max(0.0, cosine - 0.9) * math.exp(-features / 24),
            proven,
            proven * max(0.0, 1.0 - match.distance / 16),
            proven * min(1.0, match.spread / 16),
            proven * match.inliers / max(8, match.matches),
            proven * overlap.share,
            proven * overlap.stored,
            proven * overlap.query,
            proven * max(0.0, more - 0.5),
            proven * max(0.0, less - 0.7),
            proofs * max(0.0, less - 0.9),
            # Pictures that show the same as a whole look alike as a whole …
            proven * overlap.whole * max(0.0, cosine - 0.5),
            # … and what is cut, or laid on another, need not.
            proven * (1.0 - overlap.whole) * more,
            # Where much differs although features agree to the bit, a page or a frame is shared;
            # what an edit has changed, it has changed a little everywhere.
            proven * (1.0 - less) * min(1.0, match.distance / 16),
            # Words and lines are what pages of one layout share.
            told * (1.0 - match.axial),
        ]
    )
    return np.concatenate([signs, signs[_ONE] * signs[_OTHER]])


def compute_score(evidence: Floats, cosine: float, features: int) -> float:
    """Return the logarithm of the odds that a pair is a copy.

    Args:
        evidence, cosine, features: see ``collect_evidence``.
    """
    if features < FEW:
        return _SLOPE * (cosine - _CENTRE)
    same = _SAME_SLOPE * max(0.0, cosine - _SAME) * float(evidence[_PROVEN])
    return float(evidence @ load_learned().weights) + same


def score_to_similarity(score: float) -> float:
    """Return how surely two pictures of this score are copies, 0 to 1."""
    return 1.0 / (1.0 + math.exp(-max(-700.0, score)))


def similarity_to_score(wanted: float) -> float:
    """Return the score from which on ``score_to_similarity`` is at least ``wanted``."""
    if wanted <= 0.0:
        return -math.inf
    if wanted >= 1.0:
        return math.inf
    return math.log(wanted / (1.0 - wanted))


def score_to_rank(score: float) -> int:
    """Return the distance as a whole number: 0 for what no eye tells apart."""
    return max(0, round(_RANK_STEPS * (IDENTICAL - score)))
