"""Candidates of a search, and what comparing them one by one leaves.

Candidates are the pictures with the closest global vectors and, in small
collections, those whose local features got the most votes. Each is then
compared with the query in all that is kept of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.compare import compare
from django_visualsnoop.engine.describe import stored_probes
from django_visualsnoop.engine.index.base import Query
from django_visualsnoop.engine.pairs import block_of, close_pairs, close_pairs_touching
from django_visualsnoop.engine.votes import votes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from django_visualsnoop.engine.describe import Probes
    from django_visualsnoop.engine.follow import View

#: So many of the closest vectors are compared whatever their distance …
CLOSEST = 20
#: … and of the rest, up to the limit of the search, those with at least this cosine.
CLOSE = 0.6
#: So many pictures with the most votes are compared …
VOTED = 20
#: … each with at least so many.
_LEAST_VOTES = 1.5
#: Features vote in collections of at most so many pictures; all of them are compared with all.
VOTING_UP_TO = 3000


class Found(NamedTuple):
    image_id: str
    #: The logarithm of the odds that it is a copy.
    score: float


class FoundPair(NamedTuple):
    first_id: str
    second_id: str
    score: float


def search(
    view: View,
    probes: Probes,
    *,
    min_score: float,
    limit: int,
    allowed: frozenset[str] | None = None,
    without: frozenset[str] = frozenset(),
) -> list[Found]:
    """Return the pictures most surely copies, surest first; equally sure ones by id."""
    found = []
    for image_id in _candidates(view, probes, limit, allowed, without):
        stored = view.descriptor(image_id)
        if stored is not None:
            score = compare(probes, stored).score
            if score >= min_score:
                found.append(Found(image_id, score))
    found.sort(key=lambda one: (-one.score, one.image_id))
    return found[:limit]


def _candidates(
    view: View,
    probes: Probes,
    limit: int,
    allowed: frozenset[str] | None,
    without: frozenset[str],
) -> list[str]:
    query = Query(probes.vectors, -1.0, max(CLOSEST, limit), allowed, without)
    close = [
        one.image_id
        for place, one in enumerate(view.search(query))
        if place < CLOSEST or one.score >= CLOSE
    ]
    if len(view) <= VOTING_UP_TO:
        close += _voted(view, probes, allowed, without)
    return list(dict.fromkeys(close))


def _voted(
    view: View, probes: Probes, allowed: frozenset[str] | None, without: frozenset[str]
) -> list[str]:
    codes = {
        image_id: one
        for image_id, one in view.codes().items()
        if image_id not in without and (allowed is None or image_id in allowed)
    }
    counted = votes(probes.pictures, list(codes.values()))
    ids = list(codes)
    best = np.argsort(-counted, kind="stable")[:VOTED]
    return [ids[place] for place in best.tolist() if counted[place] >= _LEAST_VOTES]


def pairs(
    view: View, min_score: float, touching: Collection[str] | None = None
) -> Iterator[FoundPair]:
    """Yield each pair of pictures of which one is a copy of the other, once.

    Args:
        view: of the collection.
        min_score: of a pair.
        touching: only pairs of which at least one id is among these.
    """
    voting = len(view) <= VOTING_UP_TO
    done: set[tuple[str, str]] = set()
    close = (
        close_pairs(view.blocks, CLOSE)
        if touching is None
        else close_pairs_touching(block_of(touching, view.vector), view.blocks, CLOSE)
    )
    for one, other, _ in close:
        if voting:
            done.add(_ordered(one, other))
        yield from _compared(view, one, other, min_score)
    if not voting:
        return
    for image_id in view.codes() if touching is None else dict.fromkeys(touching):
        stored = view.descriptor(image_id)
        if stored is None:
            continue
        for other in _voted(view, stored_probes(stored), None, frozenset({image_id})):
            pair = _ordered(image_id, other)
            if pair not in done:
                done.add(pair)
                yield from _compared(view, *pair, min_score)


def _compared(view: View, one: str, other: str, min_score: float) -> Iterator[FoundPair]:
    first, second = _ordered(one, other)
    left, right = view.descriptor(first), view.descriptor(second)
    if left is not None and right is not None:
        score = compare(stored_probes(left), right).score
        if score >= min_score:
            yield FoundPair(first, second, score)


def _ordered(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
