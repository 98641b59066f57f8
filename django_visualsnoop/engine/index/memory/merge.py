"""Merge several segments into one, without the images that are gone.

The merge writes the arrays of the result piece by piece, in order, directly to their target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from django_visualsnoop.engine.index.keys import select_code_bits
from django_visualsnoop.engine.index.memory.ids import join_ids
from django_visualsnoop.engine.index.memory.inverted import Lists, build_lists
from django_visualsnoop.engine.index.memory.segment import SECTIONS, Segment, allocate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

#: Number of words merged at a time, and of rows copied at a time.
_WORDS = 8192
_ROWS = 65536
#: Up to this many postings are sorted again: that is faster than a walk over all words.
_SORTED_AGAIN = 1 << 20


class Target(Protocol):
    """The target for the arrays of a merged segment."""

    def begin(self, rows: Mapping[str, int]) -> None:
        """Allocate this many rows for each section."""

    def write(self, section: str, values: NDArray[np.generic]) -> None:
        """Append to a section."""


class InMemory:
    """A target that keeps the segment in the memory of the process."""

    def begin(self, rows: Mapping[str, int]) -> None:
        self.arrays = {
            name: allocate(rows[name], width, kind) for name, (kind, width) in SECTIONS.items()
        }
        self._written = dict.fromkeys(rows, 0)

    def write(self, section: str, values: NDArray[np.generic]) -> None:
        start = self._written[section]
        self.arrays[section][start : start + len(values)] = values
        self._written[section] = start + len(values)


class SegmentPart(NamedTuple):
    """A segment to merge, without some images."""

    segment: Segment
    #: n; which images to keep.
    kept: NDArray[np.bool_]


def merge_in_memory(parts: Sequence[SegmentPart]) -> Segment:
    """Return one segment, in memory, of all kept images: those of the first part first."""
    target = InMemory()
    merge(parts, target)
    return Segment.from_arrays(target.arrays)


def merge(parts: Sequence[SegmentPart], target: Target) -> None:
    """Write one segment of all kept images: those of the first part first."""
    kept = [np.flatnonzero(part.kept) for part in parts]
    ids = join_ids([(part.segment.ids, rows) for part, rows in zip(parts, kept, strict=True)])
    images = len(ids.ends)
    rows = dict.fromkeys(SECTIONS, images) | {"text": len(ids.text)}
    small = sum(len(part.segment.lists.slots) for part in parts) <= _SORTED_AGAIN
    lists = _sort_again(parts) if small else None
    if lists is None:
        lengths = _count_postings(parts)
        words = np.flatnonzero(lengths).astype(np.uint32)
        starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths[words])])
    else:
        words, starts = lists.words, lists.starts
    rows |= {"words": len(words), "starts": len(starts)}
    rows |= {"slots": int(starts[-1]), "codes": int(starts[-1])}
    target.begin(rows)
    for name, values in ids._asdict().items():
        target.write(name, values)
    for part, places in zip(parts, kept, strict=True):
        for column, signs in enumerate(part.segment.bits):
            target.write(f"bits{column}", signs[places])
        for start in range(0, len(places), _ROWS):
            target.write("vectors", part.segment.vectors[places[start : start + _ROWS]])
    target.write("words", words)
    target.write("starts", starts)
    if lists is None:
        for postings in merge_lists(parts):
            target.write("slots", postings.slots)
            target.write("codes", postings.codes)
    else:
        target.write("slots", lists.slots)
        target.write("codes", lists.codes)


def _sort_again(parts: Sequence[SegmentPart]) -> Lists:
    words, slots, codes = (
        [np.empty(0, np.uint32)],
        [np.empty(0, np.uint32)],
        [np.empty(0, np.uint64)],
    )
    for part, numbers in zip(parts, _renumber(parts), strict=True):
        lists = part.segment.lists
        kept = part.kept[lists.slots]
        words.append(np.repeat(lists.words, np.diff(lists.starts))[kept])
        slots.append(numbers[lists.slots[kept]])
        codes.append(lists.codes[kept])
    return build_lists(np.concatenate(words), np.concatenate(slots), np.concatenate(codes))


def _renumber(parts: Sequence[SegmentPart]) -> list[NDArray[np.uint32]]:
    """Return the new slots of the kept images of each part, by their old ones."""
    new, first = [], 0
    for part in parts:
        numbers = np.cumsum(part.kept, dtype=np.uint32)
        new.append(numbers + np.uint32(first) - np.uint32(1))
        first += int(numbers[-1]) if len(numbers) else 0
    return new


def _count_postings(parts: Sequence[SegmentPart]) -> NDArray[np.int64]:
    """Return the number of postings that each word keeps, from word 0 to the last."""
    count = max(
        (int(part.segment.lists.words[-1]) + 1 for part in parts if _count_words(part)), default=0
    )
    lengths = np.zeros(count, dtype=np.int64)
    for part in parts:
        lists = part.segment.lists
        if part.kept.all():
            lengths[lists.words] += np.diff(lists.starts)
            continue
        for first in range(0, len(lists.words), _WORDS):
            words = lists.words[first : first + _WORDS]
            bounds = lists.starts[first : first + len(words) + 1]
            kept = part.kept[lists.slots[bounds[0] : bounds[-1]]]
            sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(kept)])
            lengths[words] += np.diff(sums[bounds - bounds[0]])
    return lengths


def _count_words(part: SegmentPart) -> int:
    return len(part.segment.lists.words)


class Postings(NamedTuple):
    """The lists of some successive words, of several segments together."""

    #: Number of postings of each word.
    counts: NDArray[np.int64]
    #: Slots after the merge.
    slots: NDArray[np.uint32]
    codes: NDArray[np.uint64]


def merge_lists(parts: Sequence[SegmentPart]) -> Iterator[Postings]:
    """Yield the lists of all words in turn, ``_WORDS`` at a time."""
    renumbered = _renumber(parts)
    count = max(
        (int(lists.words[-1]) + 1 for (_, _, _, lists), _ in parts if len(lists.words)), default=0
    )
    for word in range(0, count, _WORDS):
        pieces = [
            _cut_piece(part, numbers, word, word + _WORDS)
            for part, numbers in zip(parts, renumbered, strict=True)
        ]
        counts = np.sum([piece.counts for piece in pieces], axis=0)
        slots = np.concatenate([piece.slots for piece in pieces])
        codes = np.concatenate([piece.codes for piece in pieces])
        if len(pieces) > 1:
            order = np.argsort(np.concatenate(list(map(_build_order, pieces))), kind="stable")
            slots, codes = slots[order], codes[order]
        yield Postings(counts, slots, codes)


def _build_order(piece: Postings) -> NDArray[np.uint32]:
    """Return numbers by which the postings of several pieces are sorted: see ``Lists``."""
    words = np.repeat(np.arange(len(piece.counts), dtype=np.uint32), piece.counts)
    return words << np.uint32(16) | select_code_bits(piece.codes)


def _cut_piece(part: SegmentPart, numbers: NDArray[np.uint32], first: int, end: int) -> Postings:
    lists = part.segment.lists
    low, high = np.searchsorted(lists.words, [first, end])
    bounds = lists.starts[low : high + 1]
    own = lists.slots[bounds[0] : bounds[-1]]
    codes = lists.codes[bounds[0] : bounds[-1]]
    kept = part.kept[own]
    sizes = np.diff(bounds)
    if not kept.all():
        sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(kept)])
        sizes = np.diff(sums[bounds - bounds[0]])
        own, codes = own[kept], codes[kept]
    counts = np.zeros(end - first, dtype=np.int64)
    counts[lists.words[low:high] - np.uint32(first)] = sizes
    return Postings(counts, numbers[own], codes)
