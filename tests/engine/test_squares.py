"""Pictures as squares."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.squares import resize_to_square


@pytest.mark.parametrize("turned", [False, True])
def test_the_middle_or_the_whole(turned: bool) -> None:
    pixels = np.zeros((60, 180, 3), dtype=np.uint8)
    pixels[:, 60:120] = (200, 100, 50)
    if turned:
        pixels = np.ascontiguousarray(pixels.transpose(1, 0, 2))
    middle = resize_to_square(pixels, 30, crop=True)
    assert middle.shape == (30, 30, 3)
    assert (middle[3:-3, 3:-3] == (200, 100, 50)).all()
    whole = resize_to_square(pixels, 30, crop=False)
    assert whole.mean() == pytest.approx(pixels.mean(), abs=1)
    assert not whole[0, 0].any()


def test_all_pixels_count() -> None:
    pixels = np.zeros((448, 448, 3), dtype=np.uint8)
    pixels[::2] = 255
    assert np.abs(resize_to_square(pixels, 56, crop=True)[4:-4].astype(int) - 127).max() <= 2
