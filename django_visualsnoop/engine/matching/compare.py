"""Score how surely one picture is a copy of another. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.descriptors.describe import measure_detail
from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.descriptors.local_features import FEW
from django_visualsnoop.engine.descriptors.matmul import matmul
from django_visualsnoop.engine.images.capture import tell_apart
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.difference import measure_least_difference
from django_visualsnoop.engine.matching.overlap import measure_overlap
from django_visualsnoop.engine.matching.relation import Relation, collect_inputs, tell_relation
from django_visualsnoop.engine.matching.verify import (
    NO_ALIGNMENT,
    TELLING_FROM,
    Alignment,
    verify_all,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.difference import Difference

    Floats = NDArray[np.floating]

#: With at least this many inliers, skip the other probes.
ENOUGH = 24
#: In pictures with less detail than this, vectors agree by the colour alone, such as those of
#: blank pages with dust.
_FAINT = 0.3
#: From this cosine on, pictures are alike as a whole.
_ALIKE = 0.9
#: Pictures with at least these log odds, from features and vectors alone, are laid over each other.
WORTH_A_LOOK = -2.0


class Comparison(NamedTuple):
    #: The logarithm of the odds that it is a copy, from features and vectors alone; see
    #: ``calibration``.
    score: float
    #: -1 to 1, of the closest of the probes' vectors.
    cosine: float
    #: Alignment of the probed picture that agrees best.
    alignment: Alignment
    #: Index of that picture.
    picture: int
    #: ``calibration.INPUTS`` values: the evidence for a copy; see ``calibration.collect_evidence``.
    evidence: Floats
    relation: Relation
    #: What the relation is told by; ``None`` if the pictures were not laid over each other.
    inputs: NDArray[np.float32] | None = None


def compare(probes: Probes, stored: Descriptor) -> Comparison:
    """Return how surely the probed picture is a copy of a stored one."""
    return compare_all(probes, [stored])[0]


def compare_all(probes: Probes, stored: Sequence[Descriptor]) -> list[Comparison]:
    """Return how surely the probed picture is a copy of each stored one."""
    compared = iter(_compare_pictures(probes, [one for one in stored if not one.by_file]))
    return [_compare_files(probes, one) if one.by_file else next(compared) for one in stored]


def _compare_files(probes: Probes, stored: Descriptor) -> Comparison:
    """Return whether a picture identified by its file has the same file as the probed one."""
    probed = probes.pictures[0]
    if not probed.by_file or not (probed.codes == stored.codes).all():
        return _build_without_evidence(calibration.UNRELATED)
    same = _build_without_evidence(calibration.SAME_FILE)
    return same._replace(relation=same.relation._replace(name=COPY, difference=0.0))


def _build_without_evidence(score: float) -> Comparison:
    evidence = np.zeros(calibration.INPUTS)
    return Comparison(score, 0.0, NO_ALIGNMENT, 0, evidence, Relation.by_score(score))


def _compare_pictures(probes: Probes, stored: Sequence[Descriptor]) -> list[Comparison]:
    """Return the comparisons with stored pictures that are identified by what they show."""
    pictures = {
        number: picture for number, picture in enumerate(probes.pictures) if not picture.by_file
    }
    if not pictures:
        return [_build_without_evidence(calibration.UNRELATED) for _ in stored]
    best, places = [NO_ALIGNMENT] * len(stored), [min(pictures)] * len(stored)
    for number, picture in pictures.items():
        rest = [place for place, match in enumerate(best) if match.inliers < ENOUGH]
        found = verify_all(picture, [stored[place] for place in rest])
        for place, match in zip(rest, found, strict=True):
            if match.inliers > best[place].inliers:
                best[place], places[place] = match, number
    closest = _compute_cosines(probes.compared_vectors, stored)
    return [
        _build_comparison(probes, *values)
        for values in zip(stored, closest, best, places, strict=True)
    ]


def _build_comparison(
    probes: Probes, stored: Descriptor, cosine: float, match: Alignment, picture: int
) -> Comparison:
    probed = probes.pictures[picture]
    features = min(len(probed.codes), len(stored.codes))
    evidence = calibration.collect_evidence(
        cosine, match, measure_overlap(probed, stored, match), features
    )
    score = calibration.compute_score(evidence, cosine, features)
    vectors_decide = features >= FEW and match.inliers < TELLING_FROM
    faint = vectors_decide and _are_faint(probed, stored)
    if faint and not _have_equal_features(probed, stored):
        score = calibration.UNRELATED
    difference = None
    if score >= WORTH_A_LOOK and match.inliers >= TELLING_FROM:
        # Every second of the probed pictures is the mirror image of the one before.
        difference = _lay_over(probed, stored, match, cosine, mirrored=picture % 2 == 1)
    inputs = None
    relation = Relation.by_score(score)
    if difference is not None:
        inputs = collect_inputs(score, cosine, match, evidence, difference)
        relation = tell_relation(inputs, difference)
    if tell_apart(probed.capture, stored.capture):
        relation = relation.to_shot()
    return Comparison(score, cosine, match, picture, evidence, relation, inputs)


def _lay_over(
    probed: Descriptor, stored: Descriptor, match: Alignment, cosine: float, *, mirrored: bool
) -> Difference | None:
    """Return how two pictures differ by their thumbnails; ``None`` if that cannot be said."""
    if probed.thumbnail is None or stored.thumbnail is None:
        return None
    query, other = probed.thumbnail.pixels, stored.thumbnail.pixels
    if query is None or other is None:
        return None
    query = np.fliplr(query) if mirrored else query
    return measure_least_difference(query, other, match, alike=cosine >= _ALIKE)


def _are_faint(one: Descriptor, other: Descriptor) -> bool:
    return min(measure_detail(one.vector), measure_detail(other.vector)) < _FAINT


def _have_equal_features(probed: Descriptor, stored: Descriptor) -> bool:
    # The features of a query begin with the stored ones.
    return bool(np.array_equal(probed.codes[: len(stored.codes)], stored.codes))


def _compute_cosines(probes: NDArray[np.int8], stored: Sequence[Descriptor]) -> list[float]:
    """Return, for each stored picture, the cosine with the closest probe."""
    if not stored:
        return []
    vectors = normalise(np.stack([one.vector for one in stored]))
    cosines: list[float] = matmul(vectors, normalise(probes).T).max(axis=1).tolist()
    return cosines
