"""All pairs of close vectors, by products of blocks, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.describe import turns, unit
from django_visualsnoop.engine.index.base import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

#: Rows compared with a block at a time.
_ROWS = 512


class ScoredPair(NamedTuple):
    first_id: str
    second_id: str
    score: float


def close_pairs(blocks: Callable[[], Iterable[Block]], min_score: float) -> Iterator[ScoredPair]:
    """Yield each pair of different images with at least this cosine, once.

    Args:
        blocks: starts a walk over all vectors.
        min_score: of the closest of the eight turns.
    """
    for number, left in enumerate(blocks()):
        for other, right in enumerate(blocks()):
            if other == number:
                yield from _between(left, left, min_score, same=True)
            elif other > number:
                yield from _between(left, right, min_score)


def close_pairs_touching(
    touching: Block, blocks: Callable[[], Iterable[Block]], min_score: float
) -> Iterator[ScoredPair]:
    """Yield each pair of different images of which one at least is in ``touching``, once."""
    place = {image_id: number for number, image_id in enumerate(touching.ids)}
    for block in blocks():
        for pair in _between(touching, block, min_score):
            if place.get(pair.second_id, len(place)) > place[pair.first_id]:
                yield pair


def _between(
    left: Block, right: Block, min_score: float, *, same: bool = False
) -> Iterator[ScoredPair]:
    if not left.ids or not right.ids:
        return
    columns = unit(right.vectors).T
    for start in range(0, len(left.ids), _ROWS):
        rows = turns(left.vectors[start : start + _ROWS])
        scores = unit(rows[:, 0]) @ columns
        for turn in range(1, rows.shape[1]):
            np.maximum(scores, unit(rows[:, turn]) @ columns, out=scores)
        for row, column in np.argwhere(scores >= min_score).tolist():
            if not same or column > start + row:
                yield ScoredPair(
                    left.ids[start + row], right.ids[column], float(scores[row, column])
                )


def block_of(ids: Collection[str], vector: Callable[[str], object]) -> Block:
    """Return the vectors of those ids that have one."""
    found = [(image_id, vector(image_id)) for image_id in dict.fromkeys(ids)]
    kept = [(image_id, values) for image_id, values in found if values is not None]
    vectors = np.array([values for _, values in kept], dtype=np.int8)
    return Block([image_id for image_id, _ in kept], vectors)
