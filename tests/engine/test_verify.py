from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.verify import NO_MATCH, NO_OVERLAP, overlap, verify
from tests.engine.test_descriptor import random_descriptor

if TYPE_CHECKING:
    from django_visualsnoop.engine.descriptor import Descriptor


def transformed(descriptor: Descriptor, scale: float, degrees: float, seed: int) -> Descriptor:
    """Return the features as another picture would show them: moved, with some bits changed."""
    dice = np.random.default_rng(seed)
    angle = math.radians(degrees)
    turn = scale * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    places = descriptor.places.astype(float)
    places[:, :2] = (places[:, :2] - 120) @ turn.T + 120
    places[:, 2] += 16 * math.log2(scale)
    places[:, 3] = (places[:, 3] + degrees * 256 / 360) % 256
    places[:, :2] += dice.normal(0, 1, (len(places), 2))
    seen = ((places[:, :3] >= 0) & (places[:, :3] < 240)).all(axis=1)
    bits = np.uint64(1) << dice.integers(0, 64, (5, len(places)), dtype=np.uint64)
    codes = descriptor.codes ^ np.bitwise_or.reduce(bits)
    order = dice.permutation(np.flatnonzero(seen))
    return descriptor._replace(
        codes=codes[order],
        words=descriptor.words[order],
        places=np.round(places[order]).astype(np.uint8),
    )


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.6])
@pytest.mark.parametrize("degrees", [0.0, 10.0, -90.0])
def test_finds_the_transform(scale: float, degrees: float) -> None:
    original = random_descriptor(128)
    other = transformed(original, scale, degrees, seed=3)
    match = verify(original, other)
    assert match.inliers > 0.75 * len(other.codes)  # some share a place
    assert match.scale == pytest.approx(scale, rel=0.05)
    assert match.turn == pytest.approx(degrees, abs=3)
    assert not match.mirrored
    assert match.distance < 6
    assert match.spread > 20
    assert match.matrix @ [120, 120] + match.shift == pytest.approx([120, 120], abs=3)


def test_other_pictures_do_not_agree() -> None:
    for seed in range(20):
        match = verify(random_descriptor(128, seed), random_descriptor(128, seed + 100))
        assert match.inliers <= 2


@pytest.mark.parametrize("place", [(0, 0), (1, 0)])
def test_features_in_one_place_or_on_a_line(place: tuple[int, int]) -> None:
    original = random_descriptor(20)
    places = original.places.copy()
    places[:, :2] = np.arange(20, dtype=np.uint8)[:, None] * np.array(place, dtype=np.uint8)
    places[:, 2:] = 30
    match = verify(original._replace(places=places), original._replace(places=places))
    assert match.inliers == (4 if place[0] else 1)
    assert match.spread == 0


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_features(count: int) -> None:
    match = verify(random_descriptor(count), random_descriptor(count))
    assert match.inliers <= count
    assert verify(random_descriptor(count), random_descriptor(128)).inliers <= count


def test_an_overlap_of_copies_agrees_all_over() -> None:
    original = random_descriptor(128)
    other = transformed(original, 1.6, 10.0, seed=3)
    found = overlap(original, other, verify(original, other))
    assert min(found) > 0.8


def test_what_shares_one_half_does_not_agree_in_the_other() -> None:
    page, other = random_descriptor(128, 1), random_descriptor(128, 2)
    shared = (page.places[:, 1] < 120)[:, None]
    mixed = page._replace(
        codes=np.where(shared[:, 0], page.codes, other.codes),
        places=np.where(shared, page.places, other.places),
    )
    found = overlap(page, mixed, verify(page, mixed))
    assert found.share < 0.7
    assert found.stored < 0.9  # some of the others lie in the shared half
    assert found.query < 0.8


def test_without_agreement_there_is_no_overlap() -> None:
    one = random_descriptor(20)
    assert overlap(one, one, NO_MATCH) == NO_OVERLAP
    flat = verify(one, one)._replace(matrix=np.zeros((2, 2)))
    assert overlap(one, one, flat) == NO_OVERLAP
