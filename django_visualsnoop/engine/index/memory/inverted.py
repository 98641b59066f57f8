"""Store local features by their coarse word, and count a query's votes for images.

The postings of this inverted file carry a binary signature of the feature: in a
word's list, only the images whose signature is close vote (H. Jégou,
M. Douze, C. Schmid, Hamming embedding and weak geometric consistency for large
scale image search, ECCV 2008).

A list is in the order of the bits of the codes that keys take (see ``keys``). So in a list that is
too long to read, the postings that share the first of these bits with a feature are one run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.index.keys import MAX_CODE_BITS, select_code_bits
from django_visualsnoop.engine.index.memory.ids import expand_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import Features

#: The largest Hamming distance, of 64 bits, at which a feature votes.
FARTHEST = 14
#: A query reads at most this many postings. The shortest lists are read as a whole: they say the
#: most about an image. Of the others, only the postings that agree in the first bits are read.
BUDGET = 1_000_000
#: Of the postings of a list, about this share agrees with a feature in one more bit of its code, …
_SHARE_PER_BIT = 0.76
#: … and of those of the same feature in a copy, this share.
_COPIES_PER_BIT = 0.95
#: By the number of bits: how many features of a copy there are for each that is found.
_MISSED = (_COPIES_PER_BIT ** -np.arange(MAX_CODE_BITS + 1)).astype(np.float32)


class Lists(NamedTuple):
    """u words with p postings in all.

    The postings of a word are in the order of ``select_code_bits``, equal ones by their slots.
    """

    #: u; sorted. A word may have no posting.
    words: NDArray[np.uint32]
    #: u + 1; ``starts[k]`` to ``starts[k + 1]`` are the postings of word k.
    starts: NDArray[np.int64]
    #: p; the slot of the image with the feature.
    slots: NDArray[np.uint32]
    #: p; the feature's signature.
    codes: NDArray[np.uint64]


class WordProbes(NamedTuple):
    """q lists to read, of all views. A feature may have several, each of a different word."""

    words: NDArray[np.uint32]
    codes: NDArray[np.uint64]
    #: Number of the feature, below 256, plus 256 times the number of its view.
    features: NDArray[np.int64]
    #: The number of first bits of the code in which postings must agree, to be read.
    code_bits: NDArray[np.int64]


class ClosePostings(NamedTuple):
    """h postings that are close to a feature of the query."""

    slots: NDArray[np.int64]
    features: NDArray[np.int64]
    distances: NDArray[np.uint8]
    #: As in ``WordProbes``.
    code_bits: NDArray[np.int64]

    def select(self, wanted: NDArray[np.bool_]) -> ClosePostings:
        if wanted.all():
            return self
        return ClosePostings(
            self.slots[wanted],
            self.features[wanted],
            self.distances[wanted],
            self.code_bits[wanted],
        )


def build_lists(
    words: NDArray[np.uint32], slots: NDArray[np.uint32], codes: NDArray[np.uint64]
) -> Lists:
    """Return the lists of p features in the order of their slots; words are below 2**24."""
    # Radix sort, the lowest part first; numpy uses it for integers of up to 16 bits.
    order = np.argsort(select_code_bits(codes), kind="stable")
    order = order[np.argsort(words[order].astype(np.uint16), kind="stable")]
    order = order[np.argsort((words[order] >> np.uint32(16)).astype(np.uint8), kind="stable")]
    ordered = words[order]
    firsts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] + np.uint32(1)))
    starts = np.append(firsts, len(ordered)).astype(np.int64)
    return Lists(ordered[firsts], starts, slots[order], codes[order])


def build_word_probes(views: Sequence[Features]) -> WordProbes:
    """Return the lists that a query needs, to be read as a whole."""
    words, codes, features = [], [], []
    for number, view in enumerate(views):
        near = view.words
        words.append(near.ravel())
        codes.append(np.repeat(view.codes, near.shape[1]))
        features.append(np.repeat(np.arange(len(near)) + 256 * number, near.shape[1]))
    return WordProbes(
        np.concatenate([*words, np.empty(0, dtype=np.uint32)]),
        np.concatenate([*codes, np.empty(0, dtype=np.uint64)]),
        np.concatenate([*features, np.empty(0, dtype=np.int64)]),
        np.zeros(sum(map(len, words)), dtype=np.int64),
    )


def find_lists(
    lists: Lists, words: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the start and the number of the postings of each word."""
    if not len(lists.words):
        none = np.zeros(len(words), dtype=np.int64)
        return none, none
    place = np.minimum(np.searchsorted(lists.words, words), len(lists.words) - 1)
    starts = lists.starts[place]
    counts = np.where(lists.words[place] == words, lists.starts[place + 1] - starts, 0)
    return starts, counts


def choose_code_bits(counts: NDArray[np.int64], budget: int) -> NDArray[np.int64]:
    """Return in how many bits of the codes the postings to read must agree with the feature.

    The number is 0 for lists up to some length. It grows with the length of the others, so that
    about the same number of postings is read of each, and about ``budget`` in all.
    """
    if counts.sum() <= budget:
        return np.zeros(len(counts), dtype=np.int64)
    ordered = np.sort(counts)
    before = np.cumsum(ordered) - ordered
    others = np.arange(len(counts), 0, -1)
    whole = int(np.count_nonzero(before + ordered * others <= budget))
    length = max(1.0, (budget - before[whole]) / others[whole])
    bits: NDArray[np.float64] = np.log(np.maximum(counts, 1) / length) / np.log(1 / _SHARE_PER_BIT)
    return np.clip(np.ceil(bits), 0, MAX_CODE_BITS).astype(np.int64)


def narrow_lists(
    lists: Lists, probes: WordProbes, places: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the start and the number of the postings that agree in the first bits of their codes.

    Args:
        lists: the lists.
        probes: the probes.
        places: the start and the number of the postings of each probe.
    """
    starts, counts = (values.copy() for values in places)
    some = np.flatnonzero((probes.code_bits > 0) & (counts > 0))
    size = np.int64(1) << (MAX_CODE_BITS - probes.code_bits[some])
    first = select_code_bits(probes.codes[some]).astype(np.int64) // size * size
    # Search for both ends of each run at once.
    wanted = np.concatenate([first, first + size])
    low = np.tile(starts[some], 2)
    high = np.tile(starts[some] + counts[some], 2)
    for _ in range(int(counts[some].max(initial=0)).bit_length()):
        middle = (low + high) // 2
        inside = middle < high
        codes = lists.codes.take(middle, mode="clip")
        before = inside & (select_code_bits(codes) < wanted)
        low = np.where(before, middle + 1, low)
        high = np.where(before, high, middle)
    starts[some], ends = np.split(low, 2)
    counts[some] = ends - starts[some]
    return starts, counts


def select_affordable(counts: NDArray[np.int64], budget: int) -> NDArray[np.bool_]:
    """Return which lists to read: the shortest ones, up to ``budget`` postings."""
    if counts.sum() <= budget:
        return np.ones(len(counts), dtype=np.bool_)
    order = np.argsort(counts, kind="stable")
    read = np.zeros(len(counts), dtype=np.bool_)
    read[order[np.cumsum(counts[order]) <= budget]] = True
    return read


def find_close_postings(
    lists: Lists, probes: WordProbes, starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> ClosePostings:
    """Return the postings in the given parts of the lists whose codes are close."""
    places = expand_runs(starts, counts)
    # Clip while gathering, so that numpy does not check every index.
    distances = np.bitwise_count(
        lists.codes.take(places, mode="clip") ^ np.repeat(probes.codes, counts)
    )
    near = np.flatnonzero(distances <= FARTHEST)
    probe = np.searchsorted(np.cumsum(counts), near, side="right")
    return ClosePostings(
        lists.slots[places[near]].astype(np.int64),
        probes.features[probe],
        distances[near],
        probes.code_bits[probe],
    )


def count_votes(
    hits: ClosePostings,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return the slots with votes, the votes of each, and the view that has them.

    A feature votes once for an image, by its closest posting: 1 if that is
    equal, less by 1 / (``FARTHEST`` + 1) for every bit. Where only the postings were read that
    agree in some bits, a vote counts for those that were missed on average. The votes of an image
    are those of the view with the most.
    """
    if not len(hits.slots):
        none = np.empty(0, dtype=np.int64)
        return none, np.empty(0, dtype=np.float32), none
    views = int(hits.features.max()) // 256 + 1
    pairs = hits.slots * (256 * views) + hits.features
    packed = pairs << 11 | hits.distances.astype(np.int64) << 5 | hits.code_bits
    packed.sort()
    pairs = packed >> 11
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    weights = 1 - (packed[first] >> 5 & 63).astype(np.float32) / (FARTHEST + 1)
    weights *= _MISSED[packed[first] & 31]
    of_view = pairs[first] // 256
    firsts = np.flatnonzero(np.diff(of_view, prepend=-1))
    sums = np.add.reduceat(weights, firsts)
    slots, which = of_view[firsts] // views, of_view[firsts] % views
    order = np.lexsort((which, -sums, slots))
    slots, sums, which = slots[order], sums[order], which[order]
    best = np.flatnonzero(np.diff(slots, prepend=-1))
    return slots[best], sums[best].astype(np.float32), which[best]
