"""Select the candidates of a search, and compare them one by one.

Candidates are the pictures with the closest global vectors, and those whose
local features got the most votes. The search then compares all stored data of
each candidate with the query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.index.base import CandidateQuery, Features, PairLimits
from django_visualsnoop.engine.matching.compare import compare_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.index.base import Candidate, CopyIndex
    from django_visualsnoop.engine.matching.relation import Relation

#: Compare this many of the closest vectors whatever their distance, and as many pictures
#: with the most votes …
CLOSEST = 20
#: … and of the rest, up to the limit of the search, those with at least this cosine …
CLOSE = 0.6
#: … or this many votes.
VOTED = 1.5
#: The search for all pairs compares the pairs that searches by the id of each image would, but not
#: what is merely closest: such copies have some votes, if only few.
PAIR_LIMITS = PairLimits(100, CLOSE, VOTED, CLOSEST, 0.65)


class FoundImage(NamedTuple):
    image_id: str
    relation: Relation


def search(
    index: CopyIndex,
    probes: Probes,
    *,
    min_score: float,
    limit: int,
    allowed: frozenset[str] | None = None,
    without: frozenset[str] = frozenset(),
    relations: Collection[str] | None = None,
) -> list[FoundImage]:
    """Return the images that are related most closely and most surely, then by id."""
    stored = index.read_descriptors(find_candidate_ids(index, probes, limit, allowed, without))
    # Compare one file under many ids, such as a placeholder, only once.
    keys = {image_id: (one.to_bytes(), one.capture) for image_id, one in stored.items()}
    different = {keys[image_id]: one for image_id, one in stored.items()}
    compared = compare_all(probes, list(different.values()))
    related = {key: one.relation for key, one in zip(different, compared, strict=True)}
    found = [FoundImage(image_id, related[keys[image_id]]) for image_id in stored]
    found = [
        one
        for one in found
        if one.relation.score >= min_score
        and (relations is None or (one.relation.name or COPY) in relations)
    ]
    found.sort(key=lambda one: (one.relation.rank, -one.relation.score, one.image_id))
    return found[:limit]


def find_candidate_ids(
    index: CopyIndex,
    probes: Probes,
    limit: int,
    allowed: frozenset[str] | None,
    without: frozenset[str],
) -> list[str]:
    """Return the ids of the pictures to compare closely; see ``search``."""
    found = index.find_candidates(build_candidate_query(probes, limit, allowed, without))
    return select_worth_comparing(found)


def build_candidate_query(
    probes: Probes,
    limit: int,
    allowed: frozenset[str] | None = None,
    without: frozenset[str] = frozenset(),
) -> CandidateQuery:
    """Return the query for the index; see ``search``."""
    features = [
        Features(picture.codes, words)
        for picture, words in zip(probes.pictures, probes.near_words, strict=True)
    ]
    return CandidateQuery(probes.vectors, features, max(CLOSEST, limit), allowed, without)


def select_worth_comparing(found: Iterable[Candidate]) -> list[str]:
    """Return the ids of the candidates to compare closely, those with the closest vectors first."""
    return [
        one.image_id
        for place, one in enumerate(found)
        if place < CLOSEST or one.cosine >= CLOSE or one.votes >= VOTED
    ]
