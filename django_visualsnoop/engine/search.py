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
    from collections.abc import Collection, Iterable, Iterator

    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.index.base import Candidate, CandidateIndex
    from django_visualsnoop.engine.matching.relation import Relation

#: Compare this many of the closest vectors whatever their distance, and as many pictures
#: with the most votes …
CLOSEST = 20
#: … and of the rest, up to the limit of each stage, those with at least this cosine …
CLOSE = 0.6
#: … or this many votes.
VOTED = 1.5
#: The limit of each stage in the first portion, and how many times as many the next ones take.
FIRST_LIMIT, GROWTH = 100, 4
#: The search for all pairs compares the pairs that searches by the id of each image would, but not
#: what is merely closest: such copies have some votes, if only few.
PAIR_LIMITS = PairLimits(100, CLOSE, VOTED, CLOSEST, 0.65)


class FoundImage(NamedTuple):
    image_id: str
    relation: Relation


def search(
    index: CandidateIndex,
    probes: Probes,
    *,
    min_score: float,
    allowed: frozenset[str] | None = None,
    without: frozenset[str] = frozenset(),
    relations: Collection[str] | None = None,
) -> Iterator[list[FoundImage]]:
    """Yield images in portions; in each, those that are related most closely and surely come first.

    The first portion is all there is, unless the picture has more candidates than one stage
    returns at first.
    """
    found: dict[object, Relation] = {}
    compared: set[str] = set()
    limit = FIRST_LIMIT
    while True:
        candidates = index.find_candidates(build_candidate_query(probes, limit, allowed, without))
        new_ids = [
            image_id for image_id in select_worth_comparing(candidates) if image_id not in compared
        ]
        compared.update(new_ids)
        related = _compare(index, probes, new_ids, found)
        portion = [
            one
            for one in related
            if one.relation.score >= min_score
            and (relations is None or (one.relation.name or COPY) in relations)
        ]
        portion.sort(key=lambda one: (one.relation.rank, -one.relation.score, one.image_id))
        yield portion
        if _is_complete(candidates, limit):
            return
        limit *= GROWTH


def _compare(
    index: CandidateIndex, probes: Probes, image_ids: list[str], found: dict[object, Relation]
) -> list[FoundImage]:
    """Return the relations of the images that exist.

    Args:
        index: the index of the collection.
        probes: what to search for.
        image_ids: the ids of the images.
        found: the relations to files that were compared before. One file under many ids, such as a
            placeholder, is compared only once. This adds the new ones.
    """
    stored = index.read_descriptors(image_ids)
    keys = {image_id: (one.to_bytes(), one.capture) for image_id, one in stored.items()}
    different = {keys[image_id]: one for image_id, one in stored.items()}
    new = {key: one for key, one in different.items() if key not in found}
    for key, comparison in zip(new, compare_all(probes, list(new.values())), strict=True):
        found[key] = comparison.relation
    return [FoundImage(image_id, found[keys[image_id]]) for image_id in stored]


def _is_complete(candidates: Collection[Candidate], limit: int) -> bool:
    """Return whether no stage left out an image that is worth comparing."""
    close = sum(one.cosine >= CLOSE for one in candidates)
    voted = sum(one.votes >= VOTED for one in candidates)
    return close < limit and voted < limit


def find_candidate_ids(
    index: CandidateIndex,
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
