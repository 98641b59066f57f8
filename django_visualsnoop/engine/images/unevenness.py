"""How much a picture shows beside a smooth change of light. Imports no Django."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

_SIDE = 64


def measure_unevenness(pixels: Pixels) -> float:
    """Return how far the colours of a picture deviate from a smooth change of light across it.

    Args:
        pixels: height x width x 3, RGB, uint8.

    Returns:
        A standard deviation, 0 to about 128; that of the channel in which it is largest.
    """
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    values = small.reshape(-1, 3).astype(np.float64)
    smooth = _build_smooth_surfaces()
    rest = values - smooth @ (smooth.T @ values)
    return float(np.sqrt(np.square(rest).mean(axis=0)).max())


@cache
def _build_smooth_surfaces() -> NDArray[np.float64]:
    """Return an orthonormal basis of the surfaces of second degree: pixels x 6."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j].reshape(2, -1)
    surfaces = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    basis: NDArray[np.float64] = np.linalg.qr(surfaces)[0]
    return basis
