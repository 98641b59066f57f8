"""Random edits."""

from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.training.augment import MILD
from tests.collections.contract import image


def test_edits_return_pictures_and_can_be_repeated() -> None:
    picture = decode(image(1)).pixels
    for edit in MILD:
        one, other = (edit(picture, np.random.default_rng(5)) for _ in range(2))
        assert one.dtype == np.uint8
        assert one.shape[2] == 3
        assert (one == other).all()
    assert edit(picture, np.random.default_rng(1)).shape[2] == 3
