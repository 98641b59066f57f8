"""Find the few images of a collection that may be copies of a picture, for a closer look.

Two stages miss different copies: global vectors miss crops, and the votes of local features
miss pictures without detail.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.index.base import DECIMALS, Candidate
from django_visualsnoop.engine.index.memory import inverted
from django_visualsnoop.engine.index.memory.codes import (
    RESCORED,
    compute_cosines,
    find_nearest,
    pack_signs,
)
from django_visualsnoop.engine.index.memory.layers import select_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import CandidateQuery
    from django_visualsnoop.engine.index.memory.layers import Visible
    from django_visualsnoop.engine.index.memory.segment import Segment

#: If a search may find at most this share of a segment's images, it compares all their vectors.
_FEW = 0.25


def find_candidates(
    parts: Sequence[Visible[Segment]], query: CandidateQuery, order: NDArray[np.intp] | None = None
) -> list[Candidate]:
    """Return the best of each stage, closest by cosine first; equally close ones by id.

    Args:
        parts: the collection.
        query: the query.
        order: order of the dimensions with which the parts were built; see ``pack_signs``.
    """
    parts = select_visible(parts, query.allowed, query.without)
    close = [_find_closest(part, query, order) for part in parts]
    voted = _count_votes(parts, query)
    best_close = _find_best([np.max(scores, axis=1) for _, scores in close], query.limit)
    best_voted = _find_best([votes for _, votes, _ in voted], query.limit)
    found: list[Candidate] = []
    for number, part in enumerate(parts):
        slots = np.union1d(
            close[number][0][best_close[number]], voted[number][0][best_voted[number]]
        )
        found += _build_candidates(part.segment, slots, query.probes, voted[number])
    return sorted(found, key=lambda one: (-one.cosine, one.image_id))


def _build_candidates(
    segment: Segment,
    slots: NDArray[np.int64],
    probes: NDArray[np.int8],
    voted: tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]],
) -> list[Candidate]:
    if not len(slots):
        return []
    scores = _compute_scores(segment.vectors[slots], probes)
    votes, views = np.zeros(len(slots), dtype=np.float32), np.zeros(len(slots), dtype=np.int64)
    if len(voted[0]):
        place = np.minimum(np.searchsorted(voted[0], slots), len(voted[0]) - 1)
        has = voted[0][place] == slots
        votes[has], views[has] = voted[1][place[has]], voted[2][place[has]]
    return list(
        map(
            Candidate,
            segment.ids.get_ids(slots),
            # Rounded, so that equal vectors are equally close on every processor.
            scores.max(axis=1).round(DECIMALS).tolist(),
            scores.argmax(axis=1).tolist(),
            votes.tolist(),
            views.tolist(),
        )
    )


def _compute_scores(vectors: NDArray[np.int8], probes: NDArray[np.int8]) -> NDArray[np.float32]:
    if not len(probes):
        return np.full((len(vectors), 1), -1, dtype=np.float32)
    return compute_cosines(vectors, probes)


def _find_closest(
    part: Visible[Segment], query: CandidateQuery, order: NDArray[np.intp] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the slots that are closest to some probe, and their cosines (slots x probes)."""
    segment, kept = part
    probes = query.probes
    if not len(probes) or not segment.size:
        slots = np.empty(0, dtype=np.int64)
    elif kept is not None and np.count_nonzero(kept) <= _FEW * segment.size:
        slots = np.flatnonzero(kept)
    else:
        count = max(RESCORED, query.limit)
        slots = find_nearest(segment.bits, pack_signs(probes, order), count, kept)
    return slots, _compute_scores(segment.vectors[slots], probes)


def _count_votes(
    parts: Sequence[Visible[Segment]], query: CandidateQuery
) -> list[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]]:
    """Return the results of ``inverted.count_votes`` for each segment."""
    probes = inverted.build_word_probes(query.views)
    places = [inverted.find_lists(part.segment.lists, probes.words) for part in parts]
    lengths = _sum_counts(places, len(probes.words))
    if lengths.sum() > inverted.BUDGET:
        probes = probes._replace(code_bits=inverted.choose_code_bits(lengths, inverted.BUDGET))
        places = [
            inverted.narrow_lists(part.segment.lists, probes, place)
            for part, place in zip(parts, places, strict=True)
        ]
        lengths = _sum_counts(places, len(probes.words))
    read = inverted.select_affordable(lengths, inverted.BUDGET)
    found = []
    for part, (starts, counts) in zip(parts, places, strict=True):
        hits = inverted.find_close_postings(
            part.segment.lists, probes, starts, np.where(read, counts, 0)
        )
        # A broken file may name a slot that does not exist.
        wanted = hits.slots < part.segment.size
        if part.kept is not None:
            wanted[wanted] = part.kept[hits.slots[wanted]]
        found.append(inverted.count_votes(hits.select(wanted)))
    return found


def _sum_counts(
    places: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], probes: int
) -> NDArray[np.int64]:
    """Return the number of postings of each probe in all segments together."""
    return sum((counts for _, counts in places), np.zeros(probes, dtype=np.int64))


def _find_best(scores: Sequence[NDArray[np.float32]], limit: int) -> list[NDArray[np.int64]]:
    """Return the indices of the ``limit`` largest scores overall, by their list."""
    joined = np.concatenate([*scores, np.empty(0, dtype=np.float32)])
    places = np.argsort(-joined, kind="stable")[: max(0, limit)]
    bounds = np.cumsum([0, *map(len, scores)]).tolist()
    return [places[(places >= start) & (places < end)] - start for start, end in pairwise(bounds)]
