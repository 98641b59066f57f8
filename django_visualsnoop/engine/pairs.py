"""Find the pairs of copies in a collection, with work that grows with its images, not its pairs.

An index lists the pairs that may be copies; comparing all stored data of one pair takes some
milliseconds. A thousand copies of one picture would need half a million comparisons. So this
module does not compare a pair

* if sure pairs already join its images, by any chain, to more than ``EXACT`` images: these
  are one group with or without it;
* if both of its images were compared ``MISSES`` times in a row without success, such as pictures
  that share a layout. The images of a group of more than ``EXACT`` count together.

The closest pairs come first, so each image of a large group is compared with its closest one.

A search by the id of either image finds a pair, and they need not agree: each compares the details
of its own picture. So a pair that nearly counts is compared in the other direction, too.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.clustering import SURE
from django_visualsnoop.engine.descriptors.describe import build_stored_probes
from django_visualsnoop.engine.matching.calibration import UNRELATED, score_to_similarity
from django_visualsnoop.engine.matching.compare import compare
from django_visualsnoop.engine.search import CLOSEST, PAIR_LIMITS, find_candidate_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from django_visualsnoop.engine.closer_looks import CloserLooks
    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.index.base import CopyIndex, CrowdRegistry
    from django_visualsnoop.engine.matching.relation import Relation

#: Compare all pairs of up to this many images that sure pairs join.
EXACT = 16
#: Comparisons without success in a row of an image, or of all images of a large group.
MISSES = 64
#: Log odds by which a pair may fail to count in one direction, to be compared in the other.
NEARLY = 3.0
#: Number of pairs whose descriptors are read together.
_TOGETHER = 250
#: The share of the work that goes to pairs that are not put off.
_FIRST = 0.8
#: Number of relations kept in memory.
_KNOWN = 100_000
#: Number of descriptors kept in memory: those of one picture's many copies are read once.
_KEPT = 2000

_Any = TypeVar("_Any")


class FoundPair(NamedTuple):
    """A pair with its score; ``first_id < second_id``."""

    first_id: str
    second_id: str
    #: The logarithm of the odds that one is a copy of the other.
    score: float
    rank: int


class PairHit(NamedTuple):
    """A pair with its rank; ``first_id < second_id``."""

    first_id: str
    second_id: str
    rank: int
    similarity: float


def add_similarities(found: Iterable[FoundPair]) -> Iterator[PairHit]:
    """Yield found pairs with their ranks and similarities."""
    for first, second, score, rank in found:
        yield PairHit(first, second, rank, score_to_similarity(score))


class _JoinedImages:
    """Images that sure pairs join."""

    __slots__ = ("crowd", "ids", "misses")

    def __init__(self, image_id: str) -> None:
        self.ids = [image_id]
        #: Those of all its images once it is large.
        self.misses = 0
        #: The number of its crowd; 0 while it is small.
        self.crowd = 0


class PairFinder:
    """Finds pairs in several calls, and remembers the images that they join.

    Args:
        index: the index of the collection.
        min_score: the lowest score of a pair.
        among: returns whether the pairs of an id count; all count if ``None``.
        not_duplicates: pairs of ids that are neither compared nor join anything.
        most: compare at most this many pairs, the closest first; no limit if ``None``.
        closer_looks: looks closer at each pair that would be found; ``None`` for no such look.
    """

    def __init__(
        self,
        index: CopyIndex,
        min_score: float,
        *,
        among: Callable[[str], bool] | None = None,
        not_duplicates: Collection[tuple[str, str]] = (),
        most: int | None = None,
        closer_looks: CloserLooks | None = None,
    ) -> None:
        self._index = index
        self._min_score = min_score
        self._among = among
        self._not_duplicates = frozenset(not_duplicates)
        self._most = most
        self._closer_looks = closer_looks
        #: Number of compared pairs.
        self.compared = 0
        #: Whether ``most`` was enough.
        self.complete = True
        self._part_of: dict[str, _JoinedImages] = {}
        #: Comparisons in a row that found no pair, by id.
        self._misses: dict[str, int] = {}
        self._put_off: list[tuple[str, str]] = []
        self._done: set[tuple[str, str]] = set()
        self._stored: dict[str, Descriptor] = {}
        self._relations = _Relations(min_score)
        self._crowds: CrowdRegistry | None = None
        #: Numbers in ``_crowds``, by id.
        self._numbers: dict[str, int] = {}

    def find_all(self, progress: Callable[[float], object] | None = None) -> Iterator[FoundPair]:
        """Yield pairs, each once.

        Args:
            progress: called from time to time with the completed share of the work, 0 to 1.
        """
        tell = _scale_progress(progress, 0.0, _FIRST)
        found, self._crowds = self._index.find_candidate_pairs(PAIR_LIMITS, tell)

        def pairs() -> Iterator[tuple[str, str]]:
            for one in found:
                self._numbers[one.first_id] = one.first
                self._numbers[one.second_id] = one.second
                if not self.complete:
                    return
                yield _order_pair(one.first_id, one.second_id)

        yield from self._compare_worthwhile(pairs(), progress)

    def find_touching(
        self,
        image_ids: Collection[str],
        progress: Callable[[float], object] | None = None,
        closest: int = CLOSEST,
    ) -> Iterator[FoundPair]:
        """Yield pairs with at least one of some images, each once, without those yielded before.

        Args:
            image_ids: the ids of these images.
            progress: see ``find_all``.
            closest: how many of the closest images to compare with each.
        """
        pairs = self._list_touching(image_ids, _scale_progress(progress, 0.0, _FIRST), closest)
        yield from self._compare_worthwhile(pairs, progress)

    def _list_touching(
        self,
        image_ids: Collection[str],
        progress: Callable[[float], object] | None,
        closest: int,
    ) -> Iterator[tuple[str, str]]:
        for number, some in enumerate(batched(dict.fromkeys(image_ids), _TOGETHER)):
            if progress is not None:
                progress(min(1.0, number * _TOGETHER / len(image_ids)))
            for image_id, stored in self._index.read_descriptors(some).items():
                if not self.complete:
                    return
                own = frozenset({image_id})
                for other in find_candidate_ids(
                    self._index, build_stored_probes(stored), closest, None, own
                ):
                    pair = _order_pair(image_id, other)
                    if pair not in self._done:
                        self._done.add(pair)
                        yield pair

    def _compare_worthwhile(
        self, pairs: Iterable[tuple[str, str]], progress: Callable[[float], object] | None
    ) -> Iterator[FoundPair]:
        for some in batched(filter(self._is_wanted, pairs), _TOGETHER):
            yield from self._compare_batch(list(filter(self._is_worth_it, some)), self._is_worth_it)
        # Compare the pairs in groups that have stayed small; nearly all have.
        put_off, self._put_off = self._put_off, []
        left = [pair for pair in put_off if self._is_small(pair)]
        tell = _scale_progress(progress, _FIRST, 1.0)
        for number, some in enumerate(batched(left, _TOGETHER)):
            if tell is not None:
                tell(min(1.0, number * _TOGETHER / len(left)))
            yield from self._compare_batch(some, self._is_small)

    def _is_wanted(self, pair: tuple[str, str]) -> bool:
        if pair in self._not_duplicates:
            return False
        return self._among is None or all(map(self._among, pair))

    def _is_worth_it(self, pair: tuple[str, str]) -> bool:
        """Return whether to compare a pair now; put it off if it may be worthwhile at the end."""
        one, other = map(self._get_joined, pair)
        if one is other:
            if len(one.ids) <= EXACT:
                self._put_off.append(pair)
            return False
        return any(self._count_misses(image_id) < MISSES for image_id in pair)

    def _is_small(self, pair: tuple[str, str]) -> bool:
        return len(self._get_joined(pair[0]).ids) <= EXACT

    def _compare_batch(
        self, pairs: Collection[tuple[str, str]], wanted: Callable[[tuple[str, str]], bool]
    ) -> Iterator[FoundPair]:
        """Compare about ``_TOGETHER`` pairs, and yield the good ones.

        Args:
            pairs: the pairs to compare.
            wanted: returns whether to compare a pair; called just before its comparison.
        """
        self._read_descriptors({image_id for pair in pairs for image_id in pair})
        if self._closer_looks is not None:
            self._closer_looks.expect(pairs)
        for pair in pairs:
            if not self.complete or not wanted(pair) or not self._stored.keys() >= set(pair):
                continue
            if not _may_agree(*(self._stored[image_id] for image_id in pair)):
                continue
            relation = self._find_relation(pair)
            if relation is None:
                return
            score = relation.copy_score
            if score >= self._min_score and not self._is_confirmed(pair):
                score = UNRELATED
            self._learn(pair, score)
            if score >= self._min_score:
                yield FoundPair(*pair, score, relation.rank)

    def _is_confirmed(self, pair: tuple[str, str]) -> bool:
        return self._closer_looks is None or self._closer_looks.confirm(pair)

    def _find_relation(self, pair: tuple[str, str]) -> Relation | None:
        """Return the relation of a pair; ``None`` once ``most`` pairs have been compared."""
        one, other = (self._stored[image_id] for image_id in pair)
        known = self._relations.get(one, other)
        if known is not None:
            return known
        if self._most is not None and self.compared >= self._most:
            self.complete = False
            return None
        self.compared += 1
        return self._relations.compute(one, other)

    def _read_descriptors(self, wanted: set[str]) -> None:
        if len(self._stored) > _KEPT:
            self._stored = {key: self._stored[key] for key in wanted & self._stored.keys()}
        if missing := wanted - self._stored.keys():
            self._stored |= self._index.read_descriptors(missing)

    def _get_joined(self, image_id: str) -> _JoinedImages:
        return self._part_of.get(image_id) or self._part_of.setdefault(
            image_id, _JoinedImages(image_id)
        )

    def _learn(self, pair: tuple[str, str], score: float) -> None:
        for image_id in pair:
            self._count_miss(image_id, found=score >= self._min_score)
        one, other = map(self._get_joined, pair)
        if one is other or score < self._min_score or score_to_similarity(score) < SURE:
            return
        if len(one.ids) < len(other.ids):
            one, other = other, one
        one.ids += other.ids
        self._part_of |= dict.fromkeys(other.ids, one)
        if len(one.ids) > EXACT:
            self._report_crowd(one, other.ids)

    def _count_misses(self, image_id: str) -> int:
        part = self._get_joined(image_id)
        return part.misses if len(part.ids) > EXACT else self._misses.get(image_id, 0)

    def _count_miss(self, image_id: str, *, found: bool) -> None:
        """Count a comparison of an image, unless it found a pair; then count from zero again."""
        part = self._get_joined(image_id)
        if len(part.ids) > EXACT:
            part.misses = 0 if found else part.misses + 1
        else:
            self._misses[image_id] = 0 if found else self._misses.get(image_id, 0) + 1

    def _report_crowd(self, part: _JoinedImages, new: list[str]) -> None:
        """Make the index omit pairs within a large group, if it lists pairs."""
        if self._crowds is None:
            return
        if not part.crowd:
            part.crowd = self._crowds.add_crowd()
            new = part.ids
        numbers = [self._numbers[image_id] for image_id in new if image_id in self._numbers]
        self._crowds.assign(numbers, part.crowd)


def _may_agree(one: Descriptor, other: Descriptor) -> bool:
    """Return whether to compare two descriptors: not those of different featureless files.

    All blank pages have close vectors, so there may be very many such pairs.
    """
    if not one.by_file and not other.by_file:
        return True
    return one.by_file and other.by_file and one.codes.tobytes() == other.codes.tobytes()


class _Relations:
    """Relations of pairs; one file under many ids, such as a placeholder, is compared once.

    Args:
        min_score: the lowest score of a pair.
    """

    def __init__(self, min_score: float) -> None:
        self._min_score = min_score
        self._known: dict[bytes, Relation] = {}

    def get(self, one: Descriptor, other: Descriptor) -> Relation | None:
        return self._known.get(_build_key(one, other))

    def compute(self, one: Descriptor, other: Descriptor) -> Relation:
        if len(self._known) >= _KNOWN:
            self._known.clear()
        relation = compare(build_stored_probes(one), other).relation
        if self._min_score - NEARLY <= relation.copy_score < self._min_score:
            back = compare(build_stored_probes(other), one).relation
            relation = max(relation, back, key=lambda found: found.copy_score)
        self._known[_build_key(one, other)] = relation
        return relation


def _build_key(one: Descriptor, other: Descriptor) -> bytes:
    kept = repr((one.to_bytes(), one.capture, other.to_bytes(), other.capture))
    return sha256(kept.encode()).digest()


def _scale_progress(
    progress: Callable[[float], object] | None, start: float, end: float
) -> Callable[[float], object] | None:
    """Return a function that reports the progress of a part of the work."""
    if progress is None:
        return None
    return lambda share: progress(start + (end - start) * share)


def _order_pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
