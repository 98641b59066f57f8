from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.descriptor import SIDE
from django_visualsnoop.engine.matching.verify import _fit_affine, verify, verify_all
from tests.engine.descriptors.test_descriptor import random_descriptor
from tests.engine.matching.features import described

if TYPE_CHECKING:
    from django_visualsnoop.engine.descriptors.descriptor import Descriptor


def transformed(descriptor: Descriptor, scale: float, degrees: float, seed: int) -> Descriptor:
    """Return the features as another picture would show them: moved, with some bits changed."""
    dice = np.random.default_rng(seed)
    angle = math.radians(degrees)
    turn = scale * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    places = descriptor.places.astype(float)
    places[:, :2] = (places[:, :2] - SIDE / 2) @ turn.T + SIDE / 2
    places[:, 2] += 16 * math.log2(scale)
    places[:, 3] = (places[:, 3] + degrees * 256 / 360) % 256
    places[:, :2] += dice.normal(0, 1, (len(places), 2))
    seen = ((places[:, :3] >= 0) & (places[:, :3] < SIDE)).all(axis=1)
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
    centre = [SIDE / 2, SIDE / 2]
    assert match.matrix @ centre + match.shift == pytest.approx(centre, abs=3)


def test_other_pictures_do_not_agree() -> None:
    for seed in range(20):
        match = verify(random_descriptor(128, seed), random_descriptor(128, seed + 100))
        assert match.inliers <= 2


@pytest.mark.parametrize("degrees", [0, 40, 90])
def test_tells_how_much_points_along_the_sides(degrees: int) -> None:
    original = random_descriptor(128)
    places = original.places.copy()
    places[:, 3] = np.arange(128) % 4 * 64
    written = original._replace(places=places)
    places = places.copy()
    places[::4, 3] += 20
    for stored, expected in ((written, 1.0), (original._replace(places=places), 0.75)):
        # Whichever of the two is turned, the other tells.
        match = verify(transformed(stored, 1.0, degrees, seed=3), stored)
        assert match.axial == pytest.approx(expected, abs=0.06)
    assert verify(original, original).axial < 0.3


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


def test_many_at_once_are_as_one_by_one() -> None:
    dice = np.random.default_rng(5)
    for count in (0, 1, 5, 128):
        query = described(count, dice)
        counts = [0, 1, 2, 3, 40, 128, *[100] * 20]
        stored = [described(count, dice) for count in counts]
        stored += [query, transformed(random_descriptor(128), 0.7, 20, 1)]
        together = verify_all(query, stored)
        assert len(together) == len(stored)
        for one, match in zip(stored, together, strict=True):
            alone = verify(query, one)
            np.testing.assert_allclose(match.matrix, alone.matrix, atol=1e-5)
            assert match[:2] == alone[:2]
            assert match[2:4] == pytest.approx(alone[2:4], abs=1e-4)


@pytest.mark.parametrize(
    ("matrix", "plausible"),
    [
        ([[1.2, 0.3], [-0.3, 1.2]], True),
        ([[0.5, 0.0], [0.0, 1.0]], True),  # squeezed
        ([[0.9, 0.4], [0.1, 1.0]], True),  # seen from the side
        ([[0.94, 0.21], [0.17, 0.19]], False),
        ([[0.3, 0.0], [0.0, 1.0]], False),
        ([[-1.0, 0.0], [0.0, 1.0]], False),  # mirrored pictures are looked up for themselves
    ],
)
def test_maps_that_are_no_view(matrix: list[list[float]], plausible: bool) -> None:
    start = np.random.default_rng(1).uniform(0, SIDE, (9, 2)).astype(np.float32)
    found = _fit_affine(start, start @ np.array(matrix, dtype=np.float32).T + np.float32(7))
    assert (found is not None) == plausible
    if found is not None:
        assert found[0] == pytest.approx(np.array(matrix), abs=1e-3)
