"""Edits of all of a picture, and replaced parts."""

from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.training.alter import (
    convert_to_grey,
    draw_light_edits,
    draw_variants,
    turn_some_grey,
)
from tests.collections.contract import image


def test_light_edits_are_repeatable_and_keep_most_of_the_picture() -> None:
    picture = decode(image(1)).pixels
    made, again = (list(draw_light_edits(picture, np.random.default_rng(3), 30)) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(made, again, strict=True))
    assert len({one.tobytes() for one in made}) == len(made) == 30
    assert all(one.dtype == np.uint8 and one.ndim == 3 for one in made)


def test_a_variant_differs_in_a_part_and_nowhere_else() -> None:
    picture, other = (decode(image(number)).pixels for number in (1, 2))
    made = [
        one
        for seed in range(8)
        for one in draw_variants(picture, other, np.random.default_rng(seed))
    ]
    assert len(made) > 8
    for one in made:
        apart = np.abs(one.astype(int) - picture).mean(axis=2) > 24
        assert 0 < apart.mean() < 0.7


def test_what_cannot_be_seen_is_no_variant() -> None:
    plain = np.full((96, 96, 3), 128, dtype=np.uint8)
    pasted = list(draw_variants(plain, plain, np.random.default_rng(1)))
    assert all(np.abs(one.astype(int) - plain).max() > 24 for one in pasted)


def test_some_pictures_turn_grey() -> None:
    picture = decode(image(1)).pixels
    dice = np.random.default_rng(2)
    grey = [turn_some_grey(picture, dice) for _ in range(60)]
    count = sum(np.array_equal(one, convert_to_grey(picture)) for one in grey)
    assert 2 < count < 25
    assert sum(one is picture for one in grey) == 60 - count
