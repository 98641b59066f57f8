"""Which stored pictures the features of a query vote for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.training import votes as module
from django_visualsnoop.engine.training.votes import collect_votes
from tests.engine.descriptors.test_descriptor import random_descriptor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor


def query(*codes: int) -> Descriptor:
    return random_descriptor(len(codes))._replace(codes=array(*codes))


def array(*codes: int) -> NDArray[np.uint64]:
    return np.array(codes, dtype=np.uint64)


def bits(count: int) -> int:
    """Return a code with so many bits set."""
    return (1 << count) - 1


FAR = bits(64)


def test_each_feature_votes_for_the_picture_with_the_nearest_code() -> None:
    stored = [array(bits(9), FAR), array(bits(1)), array()]
    assert collect_votes([query(0, FAR)], stored).tolist() == pytest.approx([1, 1 - 1 / 36, 0])


@pytest.mark.parametrize(("distance", "vote"), [(0, 1.0), (18, 0.5), (19, 0.0)])
def test_the_nearer_the_more_and_what_is_far_has_no_vote(distance: int, vote: float) -> None:
    assert collect_votes([query(0)], [array(bits(distance))]).tolist() == pytest.approx([vote])


def test_of_several_queries_the_most_votes_count() -> None:
    stored = [array(0, 0), array(FAR)]
    assert collect_votes([query(0, 0), query(0, FAR)], stored).tolist() == [2, 1]


def test_nothing_votes_for_nothing() -> None:
    assert collect_votes([query(0)], []).tolist() == []
    assert collect_votes([query(0)], [array(), array()]).tolist() == [0, 0]
    assert collect_votes([query()], [array(0)]).tolist() == [0]


def test_codes_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(3)
    stored = [dice.integers(0, 2**12, 7, dtype=np.uint64) for _ in range(5)]
    asked = [query(*dice.integers(0, 2**12, 9).tolist())]
    expected = collect_votes(asked, stored)
    monkeypatch.setattr(module, "_BLOCK", 4)
    assert (collect_votes(asked, stored) == expected).all()
