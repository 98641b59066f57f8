"""How surely one picture is a copy of another. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine import calibration
from django_visualsnoop.engine.describe import unit
from django_visualsnoop.engine.verify import NO_MATCH, Match, overlap, verify

if TYPE_CHECKING:
    import numpy as np
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
    #: What speaks for a copy; see ``calibration.evidence``.
    evidence: Floats


def compare(probes: Probes, stored: Descriptor) -> Comparison:
    """Return how surely the picture that was probed is a copy of a stored one."""
    cosine = float((unit(probes.vectors) @ unit(stored.vector)).max())
    best, place = NO_MATCH, 0
    for number, picture in enumerate(probes.pictures):
        match = verify(picture, stored)
        if match.inliers > best.inliers:
            best, place = match, number
        if best.inliers >= ENOUGH:
            break
    picture = probes.pictures[place]
    features = min(len(picture.codes), len(stored.codes))
    evidence = calibration.evidence(cosine, best, overlap(picture, stored, best), features)
    score = calibration.score(evidence, cosine, features)
    return Comparison(score, cosine, best, place, evidence)
