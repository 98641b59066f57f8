"""The picture inside a frame or between letterbox bars. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from django_visualsnoop.engine.decode import Pixels

#: A row belongs to the band if this share of its pixels has the colour of the edge …
_SHARE = 0.98
#: … to within so much per channel, 0 to 255; JPEG blurs the border.
_TOLERANCE = 14
#: A band takes at most this share of the picture, or the picture is mostly one colour anyway.
_DEEPEST = 0.4


def inner(pixels: Pixels) -> Pixels | None:
    """Return the picture without bands of one colour at its edges; ``None`` if it has none.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    top, bottom = _band(pixels), _band(pixels[::-1])
    between = pixels[top : pixels.shape[0] - bottom]
    columns = between.transpose(1, 0, 2)
    left, right = _band(columns), _band(columns[::-1])
    if not (top or bottom or left or right):
        return None
    return np.ascontiguousarray(between[:, left : pixels.shape[1] - right])


def _band(rows: Pixels) -> int:
    """Return how many of the first rows have one colour, that of the first."""
    deepest = int(len(rows) * _DEEPEST)
    edge = np.median(rows[0], axis=0).astype(np.int16)
    # Most pictures have no band, so a few rows answer for all.
    depth = 0
    while depth < deepest:
        some = rows[depth : min(depth + 16, deepest)].astype(np.int16)
        same = (np.abs(some - edge).max(axis=2) <= _TOLERANCE).mean(axis=1) >= _SHARE
        if not same.all():
            return depth + int(np.argmin(same))
        depth += len(some)
    return depth
