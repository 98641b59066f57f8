"""Which features of two pictures match."""

from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.matching.nearest import match_codes
from tests.engine.matching.features import described


def test_matches_are_each_others_nearest_and_clearly_so() -> None:
    dice = np.random.default_rng(6)
    stored = [described(count, dice).codes for count in (2, 9, 60, 60, 60)]
    stored += [dice.integers(0, 2**64, 50, dtype=np.uint64)]
    query = described(70, dice).codes
    found = match_codes(query, stored)
    for number, codes in enumerate(stored):
        distances = np.bitwise_count(query[:, None] ^ codes[None, :]).astype(int)
        expected = [
            (left, right, nearest)
            for left, row in enumerate(distances)
            for right, nearest in [(int(row.argmin()), int(row.min()))]
            if nearest <= min(18, 0.85 * np.sort(row)[1]) and distances[:, right].argmin() == left
        ]
        some = found.pictures == number
        values = (found.left[some], found.right[some], found.distances[some])
        assert [tuple(map(int, one)) for one in zip(*values, strict=True)] == expected
