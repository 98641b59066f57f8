"""How surely one picture is a copy of another. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine import calibration
from django_visualsnoop.engine.descriptor import unit
from django_visualsnoop.engine.overlap import overlap
from django_visualsnoop.engine.product import product
from django_visualsnoop.engine.verify import NO_MATCH, Match, verify_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.describe import Probes
    from django_visualsnoop.engine.descriptor import Descriptor

    Floats = NDArray[np.floating]

#: With so many inliers, no other probe is looked at.
ENOUGH = 24


class Comparison(NamedTuple):
    #: The logarithm of the odds that it is a copy; see ``calibration``.
    score: float
    #: -1 to 1, of the closest of the probes' vectors.
    cosine: float
    #: Of the picture among the probes that agrees best.
    match: Match
    #: Which one that is.
    picture: int
    #: ``calibration.INPUTS``; what speaks for a copy; see ``calibration.evidence``.
    evidence: Floats


def compare(probes: Probes, stored: Descriptor) -> Comparison:
    """Return how surely the picture that was probed is a copy of a stored one."""
    return compare_all(probes, [stored])[0]


def compare_all(probes: Probes, stored: Sequence[Descriptor]) -> list[Comparison]:
    """Return how surely the picture that was probed is a copy of each of the stored ones."""
    best, places = [NO_MATCH] * len(stored), [0] * len(stored)
    for number, picture in enumerate(probes.pictures):
        rest = [place for place, match in enumerate(best) if match.inliers < ENOUGH]
        found = verify_all(picture, [stored[place] for place in rest])
        for place, match in zip(rest, found, strict=True):
            if match.inliers > best[place].inliers:
                best[place], places[place] = match, number
    closest = _cosines(probes.vectors, stored)
    return [
        _comparison(probes, *values) for values in zip(stored, closest, best, places, strict=True)
    ]


def _comparison(
    probes: Probes, stored: Descriptor, cosine: float, match: Match, picture: int
) -> Comparison:
    probed = probes.pictures[picture]
    features = min(len(probed.codes), len(stored.codes))
    evidence = calibration.evidence(cosine, match, overlap(probed, stored, match), features)
    score = calibration.score(evidence, cosine, features)
    return Comparison(score, cosine, match, picture, evidence)


def _cosines(probes: NDArray[np.int8], stored: Sequence[Descriptor]) -> list[float]:
    """Return, for each stored picture, the cosine of the closest of the probes."""
    if not stored:
        return []
    vectors = unit(np.stack([one.vector for one in stored]))
    cosines: list[float] = product(vectors, unit(probes).T).max(axis=1).tolist()
    return cosines
