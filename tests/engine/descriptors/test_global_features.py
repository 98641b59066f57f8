from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.descriptors.global_features import (
    SIZE,
    compute_global_features,
    compute_permutations,
)
from django_visualsnoop.engine.images.decode import decode
from tests.collections.contract import image


def test_turned_pictures_have_permuted_views() -> None:
    upright = decode(image(1)).pixels
    turned = [np.rot90(upright, quarters) for quarters in range(4)]
    turned += [np.rot90(upright[:, ::-1], quarters) for quarters in range(4)]
    seen, detail, mean = compute_global_features(upright)
    assert seen.shape == (SIZE,)
    for row, picture in zip(compute_permutations(), turned, strict=True):
        expected, other_detail, other_mean = compute_global_features(np.ascontiguousarray(picture))
        assert np.abs(seen[row] - expected).max() < 0.02
        assert abs(detail - other_detail) < 0.01
        assert np.abs(mean - other_mean).max() < 0.5


def test_flat_pictures_have_no_detail() -> None:
    assert compute_global_features(decode(image(1)).pixels)[1] > 0.8
    flat = np.full((90, 120, 3), 200, dtype=np.uint8)
    dice = np.random.default_rng(1)
    noisy = (flat.astype(int) + dice.integers(-2, 3, flat.shape)).astype(np.uint8)
    assert compute_global_features(flat)[1] < 0.001
    assert compute_global_features(noisy)[1] < 0.15
