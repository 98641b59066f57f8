"""Tell whether the eye sees a difference between two pictures. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

#: Both pictures are squeezed to a square of this many pixels.
_SIDE = 32
#: Of 255 levels: the largest mean difference of all pixels, and of a pixel with its neighbours. In
#: thumbnails of photographs that were re-encoded or resized, 95 of 100 stay below 2.8 and 11; 95 of
#: 100 that lost 1 % of their sides, or have a caption, are above 11 somewhere; a change of
#: brightness by 15 % is above 9 on average.
_MEAN, _HIGHEST = 3.0, 11.0
#: The largest difference of the pictures' proportions.
_PROPORTIONS = 0.03


def look_identical(first: Pixels, second: Pixels) -> bool:
    """Return whether two pictures look the same, apart from their sizes and from compression.

    Args:
        first, second: thumbnails; height x width x 3, RGB, uint8.
    """
    proportions = [pixels.shape[1] / pixels.shape[0] for pixels in (first, second)]
    if max(proportions) > (1 + _PROPORTIONS) * min(proportions):
        return False
    levels = np.abs(_squeeze(first) - _squeeze(second)).mean(axis=2)
    return bool(levels.mean() <= _MEAN and levels.max() <= _HIGHEST)


def _squeeze(pixels: Pixels) -> NDArray[np.float32]:
    square = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    smooth: NDArray[Any] = cv2.GaussianBlur(square.astype(np.float32), (3, 3), 0)
    return smooth
