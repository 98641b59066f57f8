"""Whether anything in a picture can tell it from others. Imports no Django.

Blank pages, pictures of one colour, plain gradients and empty frames all look alike: that two
of them agree is no evidence that one is a copy of the other.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from django_visualsnoop.engine.calibration import FEW
from django_visualsnoop.engine.inner import inner
from django_visualsnoop.engine.local_features import local_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.decode import Pixels

#: Pictures that are less uneven than this, of 255, show nothing: noise, dust, JPEG's steps.
_EVEN = 3.0
#: What is inside a frame is the picture if it has at least this share of all pixels.
_INSIDE = 0.6
#: A margin is one in so many parts of the width or height.
_MARGIN = 8
_SIDE = 64


def is_featureless(pixels: Pixels, features: int) -> bool:
    """Return whether nothing tells the picture apart, but for a frame around it.

    Args:
        pixels: height x width x 3, RGB, uint8.
        features: how many local features the picture has.
    """
    if features < FEW and min(unevenness(pixels), unevenness(_middle(pixels))) <= _EVEN:
        return True
    inside = inner(pixels)
    if inside is None or inside.size < _INSIDE * pixels.size or unevenness(inside) > _EVEN:
        return False
    return len(local_features(inside).codes) < FEW


def _middle(pixels: Pixels) -> Pixels:
    """Return the picture without its margins, in which a scan shows the edges of the paper."""
    height, width = pixels.shape[:2]
    down, across = height // _MARGIN, width // _MARGIN
    return pixels[down : height - down, across : width - across]


def unevenness(pixels: Pixels) -> float:
    """Return how far the colours of a picture deviate from a smooth change of light across it.

    Args:
        pixels: height x width x 3, RGB, uint8.

    Returns:
        A standard deviation, 0 to about 128; that of the channel in which it is largest.
    """
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    values = small.reshape(-1, 3).astype(np.float64)
    smooth = _smooth_surfaces()
    rest = values - smooth @ (smooth.T @ values)
    return float(np.sqrt(np.square(rest).mean(axis=0)).max())


@cache
def _smooth_surfaces() -> NDArray[np.float64]:
    """Return an orthonormal basis of the surfaces of second degree: pixels x 6."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j].reshape(2, -1)
    surfaces = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    basis: NDArray[np.float64] = np.linalg.qr(surfaces)[0]
    return basis
