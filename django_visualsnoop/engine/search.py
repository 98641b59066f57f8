"""Candidates of a search, and what comparing them one by one leaves.

Candidates are the pictures with the closest global vectors, and those whose
local features got the most votes. Each is then compared with the query in all
that is kept of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.index.base import CandidateQuery, Features
from django_visualsnoop.engine.matching.compare import compare_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.index.base import Candidate, CopyIndex

#: So many of the closest vectors are compared whatever their distance, and as many pictures
#: with the most votes …
CLOSEST = 20
#: … and of the rest, up to the limit of the search, those with at least this cosine …
CLOSE = 0.6
#: … or so many votes.
VOTED = 1.5


class ScoredImage(NamedTuple):
    image_id: str
    #: The logarithm of the odds that it is a copy.
    score: float


def search(
    index: CopyIndex,
    probes: Probes,
    *,
    min_score: float,
    limit: int,
    allowed: frozenset[str] | None = None,
    without: frozenset[str] = frozenset(),
) -> list[ScoredImage]:
    """Return the pictures most surely copies, surest first; equally sure ones by id."""
    stored = index.read_descriptors(find_candidate_ids(index, probes, limit, allowed, without))
    # One file under many ids, such as a placeholder, is compared once.
    different = {one.to_bytes(): one for one in stored.values()}
    compared = compare_all(probes, list(different.values()))
    scores = {key: one.score for key, one in zip(different, compared, strict=True)}
    found = [ScoredImage(image_id, scores[one.to_bytes()]) for image_id, one in stored.items()]
    found = [one for one in found if one.score >= min_score]
    found.sort(key=lambda one: (-one.score, one.image_id))
    return found[:limit]


def find_candidate_ids(
    index: CopyIndex,
    probes: Probes,
    limit: int,
    allowed: frozenset[str] | None,
    without: frozenset[str],
) -> list[str]:
    """Return the ids of the pictures to look at closely; see ``search``."""
    found = index.find_candidates(build_candidate_query(probes, limit, allowed, without))
    return select_worth_comparing(found)


def build_candidate_query(
    probes: Probes,
    limit: int,
    allowed: frozenset[str] | None = None,
    without: frozenset[str] = frozenset(),
) -> CandidateQuery:
    """Return what to ask an index for; see ``search``."""
    features = [
        Features(picture.codes, words)
        for picture, words in zip(probes.pictures, probes.near_words, strict=True)
    ]
    return CandidateQuery(probes.vectors, features, max(CLOSEST, limit), allowed, without)


def select_worth_comparing(found: Iterable[Candidate]) -> list[str]:
    """Return the ids of those candidates, closest by their vectors first, to look at closely."""
    return [
        one.image_id
        for place, one in enumerate(found)
        if place < CLOSEST or one.cosine >= CLOSE or one.votes >= VOTED
    ]
