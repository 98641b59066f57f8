from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, Descriptor
from django_visualsnoop.engine.index.base import PairLimits
from django_visualsnoop.engine.index.memory import join, merge
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.memory.join import find_candidate_pairs
from tests.engine.index.memory.brute_force import features_of, made
from tests.engine.index.memory.brute_force import votes as count_votes


def index_of(images: dict[str, Descriptor]) -> DescriptorIndex:
    index = DescriptorIndex()
    for image_id, one in images.items():
        index.put(image_id, one.to_bytes())
        if len(image_id) % 2:
            len(index)  # several segments
    return index


def limits(min_votes: float, limit: int = 1000) -> PairLimits:
    return PairLimits(limit, 0.8, min_votes, limit, min_votes)


def found_in(index: DescriptorIndex, min_votes: float = 0.01) -> dict[tuple[str, str], float]:
    pairs = [
        ((min(one[:2]), max(one[:2])), one.votes)
        for one in find_candidate_pairs(index.list_parts(), limits(min_votes))
    ]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@given(count=st.integers(0, 25), seed=st.integers(0, 2**32), words=st.sampled_from([1, 12, 500]))
@settings(deadline=None, max_examples=40)
def test_agrees_with_brute_force(count: int, seed: int, words: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(merge, "_WORDS", 1000)
        patched.setattr(join, "SHORT", 256)
        dice = np.random.default_rng(seed)
        images = {
            "i" * int(dice.integers(1, 3)) + str(number): made(
                dice, int(dice.integers(0, 9)), words
            )
            for number in range(count)
        }
        index = index_of(images)
        for image_id in [one for one in images if dice.random() < 0.2]:
            index.discard(image_id)
            del images[image_id]
        expected = {}
        for (one_id, one), (other_id, other) in combinations(sorted(images.items()), 2):
            both = (
                count_votes(features_of(one), other),
                count_votes(features_of(other), one),
            )
            if max(both):
                expected[one_id, other_id] = both
        found = found_in(index)
        assert set(found) == set(expected)
        for pair, votes in found.items():
            assert any(abs(votes - one) < 0.01 for one in expected[pair])


@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_equal_pictures(count: int) -> None:
    one = made(np.random.default_rng(1), 9)
    index = index_of({f"{number:02}": one for number in range(count)})
    pairs = found_in(index, 3)
    assert set(pairs) == set(combinations([f"{number:02}" for number in range(count)], 2))


def test_pictures_without_features_are_joined_by_their_vectors() -> None:
    dice = np.random.default_rng(2)
    images = {str(number): made(dice, 0) for number in range(300)}
    for number in range(0, 40, 2):
        vector = images[str(number)].vector.astype(float) + dice.normal(0, 5, DIMENSIONS)
        images[str(number + 1)] = images[str(number)]._replace(
            vector=np.clip(vector, -127, 127).astype(np.int8)
        )
    expected = {(min(pair), max(pair)) for pair in ((str(n), str(n + 1)) for n in range(0, 40, 2))}
    assert found_in(index_of(images)) == dict.fromkeys(expected, 0)


def test_long_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are split by parts of the codes; what is in one part is found, and all are joined."""
    monkeypatch.setattr(join, "NEIGHBOURS", 5)
    monkeypatch.setattr(join, "SHORT", 5)
    dice = np.random.default_rng(3)
    images = {f"{number:03}": made(dice, 9, words=1) for number in range(60)}
    same = made(dice, 9, words=1)._replace(codes=dice.integers(0, 2**64, 9, dtype=np.uint64))
    images |= {f"same {number:02}": same for number in range(20)}
    # Short lists in between: 7 and 8 are words, of three images.
    other = made(dice, 5)._replace(words=np.array([7, 7, 7, 8, 8], dtype=np.uint32))
    other = other._replace(codes=dice.integers(0, 2**64, 5, dtype=np.uint64))
    images |= {"other 1": other, "other 2": other}
    pairs = found_in(index_of(images), 3)
    assert ("other 1", "other 2") in pairs
    joined = {"same 00"}
    for _ in range(20):
        joined |= {one for pair in pairs for one in pair if joined & set(pair)}
    assert {one for one in joined if one.startswith("same")} == {f"same {n:02}" for n in range(20)}


def test_mirrored_pictures() -> None:
    dice = np.random.default_rng(6)
    mirror = join.Mirror(512, 0xFFFFFFFF00000000)
    images = {str(number): made(dice, 9, words=500) for number in range(30)}
    for number in range(0, 20, 2):
        one = images[str(number)]
        images[f"{number} mirrored"] = one._replace(
            vector=made(dice, 0).vector,
            codes=one.codes ^ np.uint64(mirror.code),
            words=one.words ^ np.uint32(mirror.word),
        )
    parts = index_of(images).list_parts()
    found = {
        (min(pair[:2]), max(pair[:2])): pair.votes
        for pair in find_candidate_pairs(parts, limits(8), mirror=mirror)
    }
    wanted = {(str(number), f"{number} mirrored") for number in range(0, 20, 2)}
    assert wanted <= set(found)
    assert not wanted & set(found_in(index_of(images), 8))
