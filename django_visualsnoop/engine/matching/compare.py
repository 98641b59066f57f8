"""Score how surely one picture is a copy of another. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.descriptors.describe import measure_detail
from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.descriptors.dihedral import TURNS, turn_pixels
from django_visualsnoop.engine.descriptors.local_features import FEW
from django_visualsnoop.engine.descriptors.matmul import matmul
from django_visualsnoop.engine.images.capture import tell_apart
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.difference import (
    measure_least_difference,
    measure_whole_difference,
    select_least,
)
from django_visualsnoop.engine.matching.identical import look_identical
from django_visualsnoop.engine.matching.overlap import measure_overlap
from django_visualsnoop.engine.matching.relation import (
    Relation,
    collect_inputs,
    tell_relation,
    tell_without_features,
)
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
#: Turned pictures whose cosines differ by less are as close: a mark says little of the turn.
_AS_CLOSE = 0.01
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
    pairs = [
        _Pair(probes.pictures[number], number, one, closest, match)
        for one, closest, match, number in zip(
            stored, _find_closest(probes.compared_vectors, stored), best, places, strict=True
        )
    ]
    return _build_comparisons(probes, pairs)


class _Pair(NamedTuple):
    """A picture of the probes, and a stored one."""

    probed: Descriptor
    #: Index of the picture.
    picture: int
    stored: Descriptor
    closest: _Closest
    match: Alignment

    @property
    def features(self) -> int:
        """The number of features of the picture that has fewer."""
        return min(len(self.probed.codes), len(self.stored.codes))


def _build_comparisons(probes: Probes, pairs: Sequence[_Pair]) -> list[Comparison]:
    if not pairs:
        return []
    evidence = calibration.collect_evidence(
        np.array([pair.closest.cosine for pair in pairs]),
        [pair.match for pair in pairs],
        [measure_overlap(pair.probed, pair.stored, pair.match) for pair in pairs],
        [pair.features for pair in pairs],
    )
    return [
        _build_comparison(probes, *values)
        for values in zip(pairs, evidence, _find_faint(probes, pairs), strict=True)
    ]


def _build_comparison(probes: Probes, pair: _Pair, evidence: Floats, is_faint: bool) -> Comparison:
    probed, picture, stored, closest, match = pair
    cosine = closest.cosine
    score = calibration.compute_score(evidence, cosine, pair.features)
    vectors_decide = pair.features >= FEW and match.inliers < TELLING_FROM
    if vectors_decide and is_faint and not _have_equal_features(probed, stored):
        score = calibration.UNRELATED
    relation, inputs = Relation.by_score(score), None
    worth_a_look = score >= WORTH_A_LOOK
    if worth_a_look and match.inliers >= TELLING_FROM:
        # Every second of the probed pictures is the mirror image of the one before.
        difference = _lay_over(probed, stored, match, cosine, mirrored=picture % 2 == 1)
        if difference is not None:
            inputs = collect_inputs(score, cosine, match, evidence, difference)
            relation = tell_relation(inputs, difference)
    elif worth_a_look:
        difference = _lay_whole(probes, stored, closest.vectors)
        if difference is not None:
            relation = tell_without_features(score, difference)
    if tell_apart(probed.capture, stored.capture):
        relation = relation.to_shot()
    if relation.name == COPY and _look_identical(probes, stored):
        relation = relation.to_identical()
    return Comparison(score, cosine, match, picture, evidence, relation, inputs)


def _lay_over(
    probed: Descriptor, stored: Descriptor, match: Alignment, cosine: float, *, mirrored: bool
) -> Difference | None:
    """Return how two pictures differ by their thumbnails; ``None`` if that cannot be said."""
    query, other = _read_thumbnail(probed), _read_thumbnail(stored)
    if query is None or other is None:
        return None
    query = np.fliplr(query) if mirrored else query
    return measure_least_difference(query, other, match, alike=cosine >= _ALIKE)


def _lay_whole(probes: Probes, stored: Descriptor, vectors: Sequence[int]) -> Difference | None:
    """Return how two pictures differ by all of their thumbnails; ``None`` if that cannot be said.

    Args:
        probes: what is searched for.
        stored: the other picture.
        vectors: indices in ``probes.compared_vectors``. Each is that of a turned picture.
    """
    other, found = _read_thumbnail(stored), []
    for vector in vectors:
        number, turn = divmod(vector, len(TURNS))
        query = _read_thumbnail(_get_whole(probes, number))
        if query is not None and other is not None:
            found.append(measure_whole_difference(turn_pixels(query, turn), other))
    return select_least(found)


def _look_identical(probes: Probes, stored: Descriptor) -> bool:
    query, other = _read_thumbnail(_get_whole(probes)), _read_thumbnail(stored)
    return query is not None and other is not None and look_identical(query, other)


def _get_whole(probes: Probes, number: int = 0) -> Descriptor:
    """Return one of the probed pictures, as it is; number 0 is the whole one."""
    # One that is identified by its file comes first. Each other is followed by its mirror image.
    return probes.pictures[2 * (number + probes.pictures[0].by_file)]


def _read_thumbnail(picture: Descriptor) -> NDArray[np.uint8] | None:
    return None if picture.thumbnail is None else picture.thumbnail.pixels


def _find_faint(probes: Probes, pairs: Sequence[_Pair]) -> list[bool]:
    """Return for each pair whether one of the two has little detail."""
    probed = measure_detail(np.stack([one.vector for one in probes.pictures]))
    stored = measure_detail(np.stack([pair.stored.vector for pair in pairs]))
    least = np.minimum(stored, probed[[pair.picture for pair in pairs]])
    faint: list[bool] = (least < _FAINT).tolist()
    return faint


def _have_equal_features(probed: Descriptor, stored: Descriptor) -> bool:
    # The features of a query begin with the stored ones.
    return bool(np.array_equal(probed.codes[: len(stored.codes)], stored.codes))


class _Closest(NamedTuple):
    """The closest vectors of the probes."""

    #: Of the closest one.
    cosine: float
    #: Indices in ``Probes.compared_vectors`` of those that are as close, or nearly.
    vectors: list[int]


def _find_closest(probes: NDArray[np.int8], stored: Sequence[Descriptor]) -> list[_Closest]:
    """Return the closest probes of each stored picture."""
    if not stored:
        return []
    vectors = normalise(np.stack([one.vector for one in stored]))
    return [
        _Closest(float(row.max()), np.flatnonzero(row >= row.max() - _AS_CLOSE).tolist())
        for row in matmul(vectors, normalise(probes).T)
    ]
