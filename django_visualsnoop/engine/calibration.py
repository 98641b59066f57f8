"""From the cosine of two vectors to what a person is shown."""

from __future__ import annotations

import math

#: ``python benchmarks/copies.py FOLDER --calibrate`` fits these two on half of the photos, so
#: that a pair of similarity s is a copy with probability s where one pair in a thousand is one.
SLOPE = 26.56
CENTRE = 0.7159

#: Pairs at least this similar are shown as copies unless the caller says otherwise.
DEFAULT_MIN_SIMILARITY = 0.5

_RANK_STEPS = 256


def similarity(score: float) -> float:
    """Return how surely two pictures of this cosine are copies, 0 to 1."""
    return 1.0 / (1.0 + math.exp(-SLOPE * (min(1.0, score) - CENTRE)))


def score_at(wanted: float) -> float:
    """Return the cosine from which on ``similarity`` is at least ``wanted``."""
    if wanted <= 0.0:
        return -1.0
    if wanted >= 1.0:
        return 1.0
    return CENTRE + math.log(wanted / (1.0 - wanted)) / SLOPE


def rank(score: float) -> int:
    """Return the distance as a whole number: 0 for what no eye tells apart, up to 512."""
    return round(_RANK_STEPS * (1.0 - min(1.0, score)))
