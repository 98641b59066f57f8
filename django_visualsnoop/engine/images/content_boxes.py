"""The picture inside a frame, between letterbox bars or in a screenshot. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

#: A row belongs to the band if this share of its pixels has the colour of the edge …
_SHARE = 0.98
#: … to within so much per channel, 0 to 255; JPEG blurs the border.
_TOLERANCE = 14
#: A band takes at most this share of the picture, or the picture is mostly one colour anyway.
_DEEPEST = 0.4

#: A row is paper if this share of its pixels has the colour of the paper; on the rest are words.
_PAPER = 0.7
#: What is around it is paper to at least this share.
_AROUND = 0.5
#: Rows of paper within the picture that is shown are at most this share of all, in a row.
_GAP = 0.04
#: What is shown has at least this share of the height and of the width.
_SMALLEST = 0.2
#: About so many rows and so many pixels of each tell the colour of the paper.
_LOOKED_AT = 96


def crop_content_boxes(pixels: Pixels) -> list[Pixels]:
    """Return the pictures inside of this one that may be copies of others, at most two.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    return [one for one in (crop_bands(pixels), crop_page(pixels)) if one is not None]


def crop_bands(pixels: Pixels) -> Pixels | None:
    """Return the picture without bands of one colour at its edges; ``None`` if it has none.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    top, bottom = _measure_band(pixels), _measure_band(pixels[::-1])
    between = pixels[top : pixels.shape[0] - bottom]
    columns = between.transpose(1, 0, 2)
    left, right = _measure_band(columns), _measure_band(columns[::-1])
    if not (top or bottom or left or right):
        return None
    return np.ascontiguousarray(between[:, left : pixels.shape[1] - right])


def _measure_band(rows: Pixels) -> int:
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


def crop_page(pixels: Pixels) -> Pixels | None:
    """Return the picture that a page or an app shows among words on paper, if it looks so.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    height, width = pixels.shape[:2]
    some = pixels[:: max(1, height // _LOOKED_AT), :: max(1, width // _LOOKED_AT)]
    steps = some.reshape(-1, 3) >> 4
    colours, counts = np.unique(steps @ np.array([256, 16, 1]), return_counts=True)
    paper = colours[counts.argmax()]
    centre = np.array([paper >> 8, paper >> 4 & 15, paper & 15], dtype=np.int16) * 16 + 8
    away = np.abs(pixels.astype(np.int16) - centre).max(axis=2) > _TOLERANCE
    top, bottom = _find_longest_run(away)
    left, right = _find_longest_run(away[top:bottom].T)
    again_top, again_bottom = _find_longest_run(away[top:bottom, left:right])
    top, bottom = top + again_top, top + again_bottom
    if bottom - top < _SMALLEST * height or right - left < _SMALLEST * width:
        return None
    if top == 0 and left == 0 and bottom == height and right == width:
        return None
    around = 1.0 - away.mean() - (~away[top:bottom, left:right]).sum() / away.size
    if around < _AROUND * (1.0 - (bottom - top) * (right - left) / away.size):
        return None
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def _find_longest_run(away: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of rows that are not paper starts and ends.

    Args:
        away: rows x pixels; true where a pixel does not have the colour of the paper.
    """
    busy = away.mean(axis=1) > 1 - _PAPER
    edges = np.flatnonzero(np.diff(np.concatenate([[False], busy, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    if not starts.size:
        return 0, len(away)
    apart = np.flatnonzero(starts[1:] - ends[:-1] > _GAP * len(away))
    starts = starts[np.concatenate([[0], apart + 1])]
    ends = ends[np.concatenate([apart, [len(ends) - 1]])]
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest])
