"""Find pairs of images that may be copies of each other, in a whole collection at once.

Instead of one search per image, this reads every list of the inverted file once, and
compares the postings in it with each other. The cost grows with the square of a
list's length, so parts of the codes split long lists. Close codes mostly share
one of these parts (compare M. Norouzi, A. Punjani, D. Fleet, Fast search
in Hamming space with multi-index hashing, CVPR 2012). The signs of the global vectors
are compared likewise, and first: the features of images that they surely join need no
comparison (see ``crowds``).

In a group that is still long, each member is compared with the ``NEIGHBOURS`` that
follow it, and if nearly all groups are long, with fewer. So among very many equal pictures this
finds not all pairs, but enough pairs to join them all.

A feature votes as in a search (see ``inverted.count_votes``), and as in a search, each image
has a place for the pairs with the most votes, and for those with the closest vectors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import BY_FILE, DIMENSIONS, normalise
from django_visualsnoop.engine.descriptors.local_features import WORDS
from django_visualsnoop.engine.index.base import CandidatePair, PairLimits
from django_visualsnoop.engine.index.memory.crowds import Crowds
from django_visualsnoop.engine.index.memory.inverted import FARTHEST
from django_visualsnoop.engine.index.memory.merge import SegmentPart, merge_lists
from django_visualsnoop.engine.index.memory.pair_counts import (
    PairCounts,
    build_pair_keys,
    select_best,
    split_pair_keys,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.merge import Postings
    from django_visualsnoop.engine.index.memory.pair_counts import Keys

    #: Takes two arrays of indices; returns which of these pairs are close.
    Close = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]]
    #: Takes n vectors; returns n x orientations x ``DIMENSIONS``.
    Turn = Callable[[NDArray[np.int8]], NDArray[np.int8]]
    Places = tuple[NDArray[np.intp], NDArray[np.intp]]

#: The largest Hamming distance of the ``DIMENSIONS`` signs of two vectors whose cosine is computed:
#: at a cosine of 0.6, three pairs of four are this close …
FARTHEST_SIGNS = 80
#: … or of the first 64 of them, which stay the same however a picture is turned.
FARTHEST_TURNED = 14
#: In a collection of up to this many images, the signs of all pairs are compared.
ALL_SIGNS = 8192
NEIGHBOURS = 256
#: On average, each member of a long list is compared with this many others, …
EFFORT = 32
#: … or, for vectors, with this many.
EFFORT_SIGNS = 64
#: Lists of up to this many postings are not split.
SHORT = 256
#: Bits of the parts by which long lists are split. Two codes at a distance of 10 share one of the
#: eight in nine cases of ten.
_PART = 8
_NAMED = 8192
#: Number of postings compared together.
_LISTED = 1 << 20
#: Number of keys of close vectors gathered at a time.
_TOGETHER = 1 << 20
#: Number of pairs whose cosines are computed together.
_COMPARED = 1024
#: Number of pairs of signs that are compared together; they stay in the processor's cache.
_BLOCK = 1 << 16

#: Shares of the work after which the vectors are compared, and then the lists read.
_VECTORS, _READING = 0.3, 0.5
#: Number of pairs between two reports of progress.
_TOLD = 250


class Mirror(NamedTuple):
    """The bits of a picture's features that change when it is mirrored."""

    #: One bit, below 2**13.
    word: int
    code: int


def _keep_upright(vectors: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return n vectors of pictures that are never turned, n x 1 x ``DIMENSIONS``."""
    return vectors[:, None]


def find_candidate_pairs(
    parts: Sequence[SegmentPart],
    limits: PairLimits,
    *,
    mirror: Mirror | None = None,
    turn: Turn = _keep_upright,
    progress: Callable[[float], object] | None = None,
    crowds: Crowds | None = None,
) -> Iterator[CandidatePair]:
    """Yield each pair once: those with close vectors, then those with the most votes first.

    This needs memory for 32 bytes of signs per image, and for the pairs, not for the lists.

    Args:
        parts: the collection.
        limits: which pairs to yield.
        mirror: if given, features also agree with those of the mirrored picture.
        turn: returns the vectors of pictures in all their orientations.
        progress: called with the approximate completed share of the work, 0 to 1; the caller's
            work between two pairs counts as part of it.
        crowds: if given, omit pairs within a crowd; the caller may add to them meanwhile.
    """
    tell = progress or _ignore_progress
    images = _Images(parts)
    if crowds is None:
        crowds = Crowds(images.count)
    tell(0.0)
    known = np.empty(0, dtype=np.uint64)
    taken = np.zeros(images.count, dtype=np.int64)
    by_file = _find_known_by_file(parts)
    close = _find_close_signs(_collect_signs(parts), crowds, np.flatnonzero(~by_file))
    for found, share in close:
        new = np.setdiff1d(found, known, assume_unique=True)
        new = new[(taken[np.stack(split_pair_keys(new))] < limits.limit).any(axis=0)]
        cosines = _compute_cosines(images, new, turn)
        near = cosines >= limits.min_cosine
        new, cosines = new[near], cosines[near]
        best = select_best(new, cosines, limits.limit)
        new, cosines = new[best], cosines[best]
        np.add.at(taken, np.concatenate(split_pair_keys(new)), 1)
        known = np.union1d(known, new)
        order = np.argsort(-cosines, kind="stable")
        yield from _name_pairs(images, new[order], np.zeros(len(new), dtype=np.int64), crowds)
        tell(_VECTORS * share)
    spared = crowds.find_spared()
    numbers, parts = np.flatnonzero(~spared), _leave_out(parts, spared)
    counts = PairCounts()
    total = max(1, sum(len(part.segment.lists.slots) for part in parts))
    read = 0
    for postings in merge_lists(parts):
        counts.add(*find_voting_pairs(postings, mirror))
        read += len(postings.slots)
        tell(_VECTORS + (_READING - _VECTORS) * min(1.0, read / total))
    keys, votes = counts.get_counts(math.ceil(limits.min_votes_of_closest * (FARTHEST + 1)))
    del counts
    best = votes >= limits.min_votes * (FARTHEST + 1)
    best &= select_best(keys, votes, limits.limit)
    best |= select_best(keys, votes, limits.closest)
    # As they are numbered with the images that are spared.
    first, second = split_pair_keys(keys[best])
    keys, votes = build_pair_keys(numbers[first], numbers[second]), votes[best]
    unknown = ~np.isin(keys, known, assume_unique=True)
    keys, votes = keys[unknown], votes[unknown]
    order = np.argsort(-votes, kind="stable")
    for number, pair in enumerate(_name_pairs(images, keys[order], votes[order], crowds)):
        if number % _TOLD == 0:
            tell(_READING + (1.0 - _READING) * number / len(keys))
        yield pair
    tell(1.0)


def _find_known_by_file(parts: Sequence[SegmentPart]) -> NDArray[np.bool_]:
    """Return which images are identified by their file, whose vectors are all much alike.

    The word of each of their four codes follows from the code (see ``describe``), which is true by
    chance for one in a million features of other pictures. Their lists show their copies.
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
    """Return the parts without some of the images that they kept."""
    left, start = [], 0
    for segment, kept in parts:
        mask = kept.copy()
        end = start + int(np.count_nonzero(kept))
        mask[kept] = ~spared[start:end]
        left.append(SegmentPart(segment, mask))
        start = end
    return left


def _ignore_progress(share: float) -> None:
    """Ignore progress, for callers without a callback."""


def find_voting_pairs(postings: Postings, mirror: Mirror | None) -> tuple[Keys, NDArray[np.int64]]:
    """Return a pair of images for each feature of one that has a close one in the other, and the
    vote of the closest: up to ``FARTHEST`` + 1."""
    counts, slots, codes = postings
    words = np.arange(len(counts))
    if mirror is not None:
        # Join each list with the list of the mirrored features.
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
    # A feature with several close ones in the same image counts once, by the closest.
    swapped = slots[one] > slots[other]
    feature, image = np.where(swapped, other, one), slots[np.where(swapped, one, other)]
    distances = np.bitwise_count(codes[one] ^ codes[other])
    order = np.lexsort((distances, image, feature))
    feature, image, distances = feature[order], image[order], distances[order]
    once = np.ones(len(order), dtype=np.bool_)
    once[1:] = (feature[1:] != feature[:-1]) | (image[1:] != image[:-1])
    keys = build_pair_keys(slots[feature[once]], image[once])
    return keys, FARTHEST + 1 - distances[once].astype(np.int64)


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
    differing = (np.bitwise_count(column[one] ^ column[other]) for column in signs)
    return sum(differing, np.zeros(1, dtype=np.uint16))


def _find_close_signs(
    signs: Sequence[NDArray[np.uint64]], crowds: Crowds, numbers: NDArray[np.intp]
) -> Iterator[tuple[Keys, float]]:
    """Yield pairs of vectors with close signs, some repeatedly, and the completed share.

    This omits pairs within a crowd.

    Args:
        signs: signs of all images.
        crowds: crowds of the images.
        numbers: numbers of the images to compare.
    """

    def close(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
        turned = np.bitwise_count(signs[0][one] ^ signs[0][other]) <= FARTHEST_TURNED
        near: NDArray[np.bool_] = turned | (_compute_distances(signs, one, other) <= FARTHEST_SIGNS)
        return near

    size = len(numbers)
    if size <= ALL_SIGNS:
        every = _batch_keys(_find_all_close(numbers, close))
        for found in every:
            yield found[~crowds.find_within(found)], 1.0
        return
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


def _find_all_close(numbers: NDArray[np.intp], close: Close) -> Iterator[Keys]:
    """Yield the close pairs of some images, by comparing each with all that follow it."""
    rows = max(1, _BLOCK // max(1, len(numbers)))
    for start in range(0, len(numbers), rows):
        some, others = numbers[start : start + rows], numbers[start:]
        near = close(some[:, None], others[None])
        near &= some[:, None] < others
        row, column = np.nonzero(near)
        yield build_pair_keys(some[row], others[column])


def _compute_cosines(images: _Images, keys: Keys, turn: Turn) -> NDArray[np.float32]:
    """Return the cosine of each pair, in the orientation in which it is the closest."""
    cosines = np.empty(len(keys), dtype=np.float32)
    for start in range(0, len(keys), _COMPARED):
        one, other = split_pair_keys(keys[start : start + _COMPARED])
        turned = normalise(turn(images.get_vectors(one)))
        products = turned @ normalise(images.get_vectors(other))[:, :, None]
        cosines[start : start + len(one)] = products.max(axis=(1, 2))
    return cosines


def _batch_keys(keys: Iterable[Keys]) -> Iterator[Keys]:
    """Yield many keys at a time, so that callers seldom compare them with all known keys."""
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
        close: returns which pairs are close.
        effort: compare at most n times this many pairs; direct neighbours always.
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


class _Images:
    """The ids and vectors of all images, by their numbers."""

    def __init__(self, parts: Sequence[SegmentPart]) -> None:
        self._parts = parts
        self._kept = [np.flatnonzero(part.kept) for part in parts]
        self._starts = np.cumsum([0, *map(len, self._kept)])

    @property
    def count(self) -> int:
        return int(self._starts[-1])

    def get_vectors(self, numbers: NDArray[np.intp]) -> NDArray[np.int8]:
        vectors = np.empty((len(numbers), DIMENSIONS), dtype=np.int8)
        which = np.searchsorted(self._starts, numbers, side="right") - 1
        for part in np.unique(which).tolist():
            own = which == part
            slots = self._kept[part][numbers[own] - self._starts[part]]
            vectors[own] = self._parts[part].segment.vectors[slots]
        return vectors

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
    images: _Images, keys: Keys, votes: NDArray[np.int64], crowds: Crowds
) -> Iterator[CandidatePair]:
    """Yield pairs by their ids, except those that are within a crowd by then."""
    for start in range(0, len(keys), _NAMED):
        some = slice(start, start + _NAMED)
        apart = ~crowds.find_within(keys[some])
        first, second = split_pair_keys(keys[some][apart])
        yield from map(
            CandidatePair,
            images.get_ids(first),
            images.get_ids(second),
            (votes[some][apart] / (FARTHEST + 1)).tolist(),
            first.tolist(),
            second.tolist(),
        )
