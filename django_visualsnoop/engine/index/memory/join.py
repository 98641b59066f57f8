"""Pairs of images that may be copies of each other, of a whole collection at once.

Instead of one search per image, every list of the inverted file is read once, and
the postings in it are compared with each other. The cost grows with the square of a
list's length, so long lists are split by parts of the codes. Close codes mostly share
one of these parts (compare M. Norouzi, A. Punjani, D. Fleet, Fast search
in Hamming space with multi-index hashing, CVPR 2012). The signs of the global vectors
are compared likewise, and before: what they join for sure need not be compared by its
features (see ``crowds``).

In a group that is still long, each member is compared with the ``NEIGHBOURS`` that
follow it, and where nearly all groups are long, with fewer: so of very many equal pictures not
all pairs are found, but all of them are joined by pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import BY_FILE, DIMENSIONS
from django_visualsnoop.engine.descriptors.local_features import WORDS
from django_visualsnoop.engine.index.base import CandidatePair
from django_visualsnoop.engine.index.memory.crowds import Crowds
from django_visualsnoop.engine.index.memory.merge import SegmentPart, merge_lists
from django_visualsnoop.engine.index.memory.pair_counts import (
    PairCounts,
    build_pair_keys,
    split_pair_keys,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.merge import Postings
    from django_visualsnoop.engine.index.memory.pair_counts import Keys

    #: Takes two arrays of places; says which of these pairs are close.
    Close = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]]
    Places = tuple[NDArray[np.intp], NDArray[np.intp]]

#: The largest Hamming distance of two local codes that count for a pair. Less than a search
#: allows: among so many pairs, more would be close by chance.
FARTHEST = 10
#: Likewise of the ``DIMENSIONS`` signs of two vectors: about a cosine of 0.83.
FARTHEST_SIGNS = 48
#: Likewise of the first 64 of them, which are the same however a picture is turned.
FARTHEST_TURNED = 10
NEIGHBOURS = 256
#: All members of long lists together are compared with so many each, on average, …
EFFORT = 32
#: … or, of vectors, with so many.
EFFORT_SIGNS = 64
#: Lists of up to so many postings are not split.
SHORT = 64
#: Bits of the parts by which long lists are split.
_PART = 16
#: A pair is a candidate from so many close features on, unless the vectors are close.
MIN_VOTES = 3
_NAMED = 8192
#: Postings looked at together.
_LISTED = 1 << 20
#: Keys of close vectors gathered at a time.
_TOGETHER = 1 << 20


#: Shares of the work after which the vectors are compared, and then the lists read.
_VECTORS, _READING = 0.3, 0.5
#: Pairs after which progress is told.
_TOLD = 250


class Mirror(NamedTuple):
    """How the features of a picture change when it is mirrored: these bits do."""

    #: One bit, below 2**13.
    word: int
    code: int


def find_candidate_pairs(
    parts: Sequence[SegmentPart],
    min_votes: int = MIN_VOTES,
    mirror: Mirror | None = None,
    progress: Callable[[float], object] | None = None,
    crowds: Crowds | None = None,
) -> Iterator[CandidatePair]:
    """Yield each pair once: those of close vectors, then those of most features first.

    Needs memory for 32 bytes of signs per image, and for the pairs, not for the lists.

    Args:
        parts: the collection.
        min_votes: of a pair.
        mirror: if given, features also agree with those of the mirrored picture.
        progress: called with the share of the work that is done, 0 to 1, as far as can be told;
            what the caller does between two pairs is part of the work.
        crowds: if given, pairs within one are left out; the caller may add to them meanwhile.
    """
    tell = progress or _ignore_progress
    names = _Names(parts)
    if crowds is None:
        crowds = Crowds(names.count)
    tell(0.0)
    known = np.empty(0, dtype=np.uint64)
    signs = _collect_signs(parts)
    by_file = _find_known_by_file(parts)
    for found, share in _find_close_signs(signs, crowds, np.flatnonzero(~by_file)):
        new = np.setdiff1d(found, known, assume_unique=True)
        known = np.union1d(known, new)
        order = np.argsort(_compute_distances(signs, *split_pair_keys(new)), kind="stable")
        yield from _name_pairs(names, new[order], np.zeros(len(new), dtype=np.int64), crowds)
        tell(_VECTORS * share)
    spared = crowds.find_spared()
    numbers, parts = np.flatnonzero(~spared), _leave_out(parts, spared)
    counts = PairCounts()
    total = max(1, sum(len(part.segment.lists.slots) for part in parts))
    read = 0
    for postings in merge_lists(parts):
        counts.add(_find_voting_pairs(postings, mirror))
        read += len(postings.slots)
        tell(_VECTORS + (_READING - _VECTORS) * min(1.0, read / total))
    keys, votes = counts.get_counts(min_votes)
    del counts
    # As they are numbered with the images that are spared.
    first, second = split_pair_keys(keys)
    keys = build_pair_keys(numbers[first], numbers[second])
    unknown = ~np.isin(keys, known, assume_unique=True)
    keys, votes = keys[unknown], votes[unknown]
    order = np.argsort(-votes, kind="stable")
    for number, pair in enumerate(_name_pairs(names, keys[order], votes[order], crowds)):
        if number % _TOLD == 0:
            tell(_READING + (1.0 - _READING) * number / len(keys))
        yield pair
    tell(1.0)


def _find_known_by_file(parts: Sequence[SegmentPart]) -> NDArray[np.bool_]:
    """Return which images are known by their file, whose vectors are all much alike.

    The word of each of their four codes follows from the code (see ``describe``), which of the
    features of another picture is so with one in a million. What they are copies of, their lists
    tell.
    """
    found = []
    for segment, kept in parts:
        lists = segment.lists
        counts = np.zeros(segment.size, dtype=np.int64)
        for start in range(0, len(lists.slots), _LISTED):
            places = np.arange(start, min(start + _LISTED, len(lists.slots)))
            words = lists.words[np.searchsorted(lists.starts, places, side="right") - 1]
            fits = lists.codes[places] % np.uint64(WORDS) == words
            np.add.at(counts, lists.slots[places[fits]], 1)
        found.append(counts[kept] >= BY_FILE)
    known: NDArray[np.bool_] = np.concatenate([np.empty(0, dtype=np.bool_), *found])
    return known


def _leave_out(parts: Sequence[SegmentPart], spared: NDArray[np.bool_]) -> list[SegmentPart]:
    """Return parts that do not keep some of the images they kept."""
    left, start = [], 0
    for segment, kept in parts:
        mask = kept.copy()
        end = start + int(np.count_nonzero(kept))
        mask[kept] = ~spared[start:end]
        left.append(SegmentPart(segment, mask))
        start = end
    return left


def _ignore_progress(share: float) -> None:
    """Be told how far it is by a caller that does not ask."""


def _find_voting_pairs(postings: Postings, mirror: Mirror | None) -> Keys:
    """Return a pair of images for each feature of one that has a close one in the other."""
    counts, slots, codes = postings
    words = np.arange(len(counts))
    if mirror is not None:
        # A list and that of the mirrored features become one.
        second = (words & mirror.word).astype(np.bool_)
        flipped = np.repeat(second, counts)
        order = np.argsort(np.repeat(words & ~mirror.word, counts), kind="stable")
        slots, codes = slots[order], np.where(flipped, codes ^ np.uint64(mirror.code), codes)[order]
        counts = np.where(second, 0, counts + counts[words ^ mirror.word])
    groups = np.repeat(words.astype(np.uint64), counts)

    def close(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
        near = np.bitwise_count(codes[one] ^ codes[other]) <= FARTHEST
        near &= slots[one] != slots[other]
        return near

    long = np.repeat(counts > SHORT, counts)
    short, places = np.flatnonzero(~long), np.flatnonzero(long)
    found = list(_find_close_pairs(groups[short], short, close, SHORT))
    for shift in range(0, 64, _PART):
        part = (codes[places] >> np.uint64(shift)) & np.uint64(2**_PART - 1)
        keys = (groups[places] << np.uint64(_PART)) | part
        order = np.argsort(keys, kind="stable")
        found += _find_close_pairs(keys[order], places[order], close, EFFORT)
    none = np.empty(0, dtype=np.intp)
    one = np.concatenate([none, *(left for left, _ in found)])
    other = np.concatenate([none, *(right for _, right in found)])
    # A feature with several close ones in the same image counts once.
    swapped = slots[one] > slots[other]
    feature, image = np.where(swapped, other, one), slots[np.where(swapped, one, other)]
    once = np.unique((feature.astype(np.uint64) << np.uint64(32)) | image)
    feature, larger = split_pair_keys(once)
    return build_pair_keys(slots[feature], larger)


def _collect_signs(parts: Sequence[SegmentPart]) -> list[NDArray[np.uint64]]:
    """Return the signs of all vectors, 64 of each at a time."""
    return [
        np.concatenate(
            [np.empty(0, dtype=np.uint64), *(part.segment.bits[k][part.kept] for part in parts)]
        )
        for k in range(DIMENSIONS // 64)
    ]


def _compute_distances(
    signs: Sequence[NDArray[np.uint64]], one: NDArray[np.intp], other: NDArray[np.intp]
) -> NDArray[np.uint16]:
    distances = np.zeros(len(one), dtype=np.uint16)
    for column in signs:
        distances += np.bitwise_count(column[one] ^ column[other])
    return distances


def _find_close_signs(
    signs: Sequence[NDArray[np.uint64]], crowds: Crowds, numbers: NDArray[np.intp]
) -> Iterator[tuple[Keys, float]]:
    """Yield pairs of close vectors, some of them repeatedly, and the share that is done.

    Left out are pairs within a crowd.

    Args:
        signs: of all images.
        crowds: of these.
        numbers: of those to compare.
    """

    def close(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
        turned = np.bitwise_count(signs[0][one] ^ signs[0][other]) <= FARTHEST_TURNED
        near: NDArray[np.bool_] = turned | (_compute_distances(signs, one, other) <= FARTHEST_SIGNS)
        return near

    size = len(numbers)
    # Groups of about eight, if the vectors were random.
    width = min(16, max(4, size.bit_length() - 3))
    shifts = range(0, 64 - width + 1, width)
    for number, column in enumerate(signs):
        for place, shift in enumerate(shifts):
            part = (column[numbers] >> np.uint64(shift)) & np.uint64(2**width - 1)
            order = np.argsort(part.astype(np.uint16), kind="stable")
            pairs = _find_close_pairs(part[order], numbers[order], close, EFFORT_SIGNS)
            share = (number + (place + 1) / len(shifts)) / len(signs)
            keys = (build_pair_keys(*places) for places in pairs)
            for found in _batch_keys(some[~crowds.find_within(some)] for some in keys):
                yield found, share


def _batch_keys(keys: Iterable[Keys]) -> Iterator[Keys]:
    """Yield many at a time: whoever compares them with all that are known does so seldom."""
    some: list[Keys] = []
    count = 0
    for one in filter(len, keys):
        some.append(one)
        count += len(one)
        if count >= _TOGETHER:
            yield np.unique(np.concatenate(some))
            some, count = [], 0
    if some:
        yield np.unique(np.concatenate(some))


def _find_close_pairs(
    groups: NDArray[np.uint64], places: NDArray[np.intp], close: Close, effort: int
) -> Iterator[Places]:
    """Yield the close pairs among places of the same group.

    Args:
        groups: n; sorted.
        places: n
        close: says which are.
        effort: compare n times this many, no more; those that follow each other at once always.
    """
    if not len(places):
        return
    lasts = np.flatnonzero(np.append(groups[1:] != groups[:-1], True))
    ends = np.repeat(lasts + 1, np.diff(lasts, prepend=-1))
    active = np.arange(len(places))
    left = effort * len(places)
    for step in range(1, NEIGHBOURS + 1):
        active = active[active + step < ends[active]]
        if not len(active) or left <= 0:
            return
        left -= len(active)
        one, other = places[active], places[active + step]
        near = close(one, other)
        if near.any():
            yield one[near], other[near]


class _Names:
    """The ids of all images, by their numbers."""

    def __init__(self, parts: Sequence[SegmentPart]) -> None:
        self._parts = parts
        self._kept = [np.flatnonzero(part.kept) for part in parts]
        self._starts = np.cumsum([0, *map(len, self._kept)])

    @property
    def count(self) -> int:
        return int(self._starts[-1])

    def get_ids(self, numbers: NDArray[np.intp]) -> list[str]:
        named = [""] * len(numbers)
        which = np.searchsorted(self._starts, numbers, side="right") - 1
        for part in np.unique(which).tolist():
            own = np.flatnonzero(which == part)
            slots = self._kept[part][numbers[own] - self._starts[part]]
            ids = self._parts[part].segment.ids.get_ids(slots)
            for place, name in zip(own.tolist(), ids, strict=True):
                named[place] = name
        return named


def _name_pairs(
    names: _Names, keys: Keys, votes: NDArray[np.int64], crowds: Crowds
) -> Iterator[CandidatePair]:
    """Yield pairs by their ids, but for those within a crowd by then."""
    for start in range(0, len(keys), _NAMED):
        some = slice(start, start + _NAMED)
        apart = ~crowds.find_within(keys[some])
        first, second = split_pair_keys(keys[some][apart])
        yield from map(
            CandidatePair,
            names.get_ids(first),
            names.get_ids(second),
            votes[some][apart].tolist(),
            first.tolist(),
            second.tolist(),
        )
