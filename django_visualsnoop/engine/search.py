"""Candidates of a search, and what comparing them one by one leaves.

Candidates are the pictures with the closest global vectors, and those whose
local features got the most votes. Each is then compared with the query in all
that is kept of both.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from django_visualsnoop.engine.compare import compare_all
from django_visualsnoop.engine.describe import stored_probes
from django_visualsnoop.engine.index.candidates import CandidateQuery
from django_visualsnoop.engine.index.inverted import Features
from django_visualsnoop.engine.index.join import Mirror, candidate_pairs
from django_visualsnoop.engine.local_features import MIRRORED_CODE, MIRRORED_WORD

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from django_visualsnoop.engine.describe import Probes
    from django_visualsnoop.engine.descriptor import Descriptor
    from django_visualsnoop.engine.follow import View
    from django_visualsnoop.engine.index.candidates import Candidate
    from django_visualsnoop.engine.index.descriptors import DescriptorIndex

#: So many of the closest vectors are compared whatever their distance, and as many pictures
#: with the most votes …
CLOSEST = 20
#: … and of the rest, up to the limit of the search, those with at least this cosine …
CLOSE = 0.6
#: … or so many votes.
VOTED = 1.5
#: Pairs compared at a time.
_TOGETHER = 250
#: Scores kept meanwhile.
_KNOWN = 100_000
#: Descriptors kept meanwhile: those of one picture's many copies are read once.
_KEPT = 2000

_Any = TypeVar("_Any")


class Found(NamedTuple):
    image_id: str
    #: The logarithm of the odds that it is a copy.
    score: float


class FoundPair(NamedTuple):
    first_id: str
    second_id: str
    score: float


def search(
    view: View[DescriptorIndex],
    probes: Probes,
    *,
    min_score: float,
    limit: int,
    allowed: frozenset[str] | None = None,
    without: frozenset[str] = frozenset(),
) -> list[Found]:
    """Return the pictures most surely copies, surest first; equally sure ones by id."""
    stored = view.descriptors(_candidates(view, probes, limit, allowed, without))
    # One file under many ids, such as a placeholder, is compared once.
    different = {one.to_bytes(): one for one in stored.values()}
    compared = compare_all(probes, list(different.values()))
    scores = {key: one.score for key, one in zip(different, compared, strict=True)}
    found = [Found(image_id, scores[one.to_bytes()]) for image_id, one in stored.items()]
    found = [one for one in found if one.score >= min_score]
    found.sort(key=lambda one: (-one.score, one.image_id))
    return found[:limit]


def _candidates(
    view: View[DescriptorIndex],
    probes: Probes,
    limit: int,
    allowed: frozenset[str] | None,
    without: frozenset[str],
) -> list[str]:
    found = view.candidates(candidate_query(probes, limit, allowed, without))
    return worth_comparing(found)


def candidate_query(
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


def worth_comparing(found: Iterable[Candidate]) -> list[str]:
    """Return the ids of those candidates, closest by their vectors first, to look at closely."""
    return [
        one.image_id
        for place, one in enumerate(found)
        if place < CLOSEST or one.cosine >= CLOSE or one.votes >= VOTED
    ]


def pairs(
    view: View[DescriptorIndex],
    min_score: float,
    touching: Collection[str] | None = None,
    progress: Callable[[float], object] | None = None,
) -> Iterator[FoundPair]:
    """Yield each pair of pictures of which one is a copy of the other, once.

    Args:
        view: of the collection.
        min_score: of a pair.
        touching: only pairs of which at least one id is among these.
        progress: called now and then with the share of the work that is done, 0 to 1.
    """
    pairs = _touching(view, touching, progress) if touching is not None else _all(view, progress)
    stored: dict[str, Descriptor] = {}
    scores = _Scores()
    for some in _batches(pairs):
        wanted = {image_id for pair in some for image_id in pair}
        if len(stored) > _KEPT:
            stored = {image_id: stored[image_id] for image_id in wanted & stored.keys()}
        stored |= view.descriptors(wanted - stored.keys())
        there = [pair for pair in some if pair[0] in stored and pair[1] in stored]
        there = [pair for pair in there if _may_agree(stored[pair[0]], stored[pair[1]])]
        found = scores.of([(stored[first], stored[second]) for first, second in there])
        for (first, second), score in zip(there, found, strict=True):
            if score >= min_score:
                yield FoundPair(first, second, score)


def _may_agree(one: Descriptor, other: Descriptor) -> bool:
    """Return whether to compare two: not different files in which nothing tells them apart.

    All blank pages have close vectors, so there may be very many such pairs.
    """
    if not one.by_file and not other.by_file:
        return True
    return one.by_file and other.by_file and one.codes.tobytes() == other.codes.tobytes()


class _Scores:
    """Scores of pairs; one file under many ids, such as a placeholder, is compared once."""

    def __init__(self) -> None:
        self._known: dict[bytes, float] = {}

    def of(self, pairs: Sequence[tuple[Descriptor, Descriptor]]) -> list[float]:
        if len(self._known) >= _KNOWN:
            self._known.clear()
        keys = [sha256(one.to_bytes() + other.to_bytes()).digest() for one, other in pairs]
        # Those of one picture are compared with it together.
        unknown: dict[bytes, dict[bytes, tuple[Descriptor, Descriptor]]] = {}
        for key, pair in zip(keys, pairs, strict=True):
            if key not in self._known:
                unknown.setdefault(pair[0].to_bytes(), {})[key] = pair
        for group in unknown.values():
            (one, _), *_ = group.values()
            compared = compare_all(stored_probes(one), [other for _, other in group.values()])
            self._known |= {key: its.score for key, its in zip(group, compared, strict=True)}
        return [self._known[key] for key in keys]


def _batches(values: Iterable[_Any]) -> Iterator[list[_Any]]:
    rest = iter(values)
    while some := list(islice(rest, _TOGETHER)):
        yield some


def _all(
    view: View[DescriptorIndex], progress: Callable[[float], object] | None
) -> Iterator[tuple[str, str]]:
    mirror = Mirror(MIRRORED_WORD, MIRRORED_CODE)
    for one in candidate_pairs(view.parts(), mirror=mirror, progress=progress):
        yield _ordered(one.first_id, one.second_id)


def _touching(
    view: View[DescriptorIndex],
    touching: Collection[str],
    progress: Callable[[float], object] | None,
) -> Iterator[tuple[str, str]]:
    done: set[tuple[str, str]] = set()
    for number, some in enumerate(_batches(dict.fromkeys(touching))):
        if progress is not None:
            progress(min(1.0, number * _TOGETHER / len(touching)))
        for image_id, stored in view.descriptors(some).items():
            probes = stored_probes(stored)
            for other in _candidates(view, probes, CLOSEST, None, frozenset({image_id})):
                pair = _ordered(image_id, other)
                if pair not in done:
                    done.add(pair)
                    yield pair


def _ordered(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
