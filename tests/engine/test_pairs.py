from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest

from django_visualsnoop.engine import pairs
from django_visualsnoop.engine.describe import DIMENSIONS, turns, unit
from django_visualsnoop.engine.index.base import Block
from django_visualsnoop.engine.pairs import block_of, close_pairs, close_pairs_touching


@pytest.mark.parametrize("count", [0, 1, 2, 23])
def test_every_close_pair_once(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(pairs, "_ROWS", 3)
    dice = np.random.default_rng(count)
    vectors = dice.integers(-127, 128, (count, DIMENSIONS)).astype(np.int8)
    for number in range(0, count - 1, 3):  # some turned copies, within and across blocks
        vectors[number + 1] = turns(vectors[number])[random.Random(number).randrange(8)]
        vectors[-1 - number // 3] = turns(vectors[0])[3]
    ids = [str(number) for number in range(count)]
    blocks = [
        Block(ids[start : start + 7], vectors[start : start + 7]) for start in range(0, count, 7)
    ]
    blocks.insert(1, Block([], np.zeros((0, DIMENSIONS), dtype=np.int8)))

    scores = np.array([(unit(turns(one)) @ unit(vectors).T).max(axis=0) for one in vectors])
    expected = {
        (ids[first], ids[second])
        for first, second in combinations(range(count), 2)
        if scores[first, second] >= 0.5
    }
    found = list(close_pairs(lambda: blocks, 0.5))
    assert len(found) == len(expected)
    assert {tuple(sorted(pair[:2], key=int)) for pair in found} == expected
    assert all(pair.score >= 0.5 for pair in found)

    touched = ids[::4]
    by_id = dict(zip(ids, vectors, strict=True))
    touching = block_of([*touched, "unknown", *touched], by_id.get)
    found = list(close_pairs_touching(touching, lambda: blocks, 0.5))
    expected = {pair for pair in expected if set(pair) & set(touched)}
    assert len(found) == len(expected)
    assert {tuple(sorted(pair[:2], key=int)) for pair in found} == expected
