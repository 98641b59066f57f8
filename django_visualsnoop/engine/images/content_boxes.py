"""The picture inside a frame, between letterbox bars or in a screenshot. Imports no Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

    #: 1 where a pixel does not have the colour of the paper, 0 where it has: height x width.
    Away: TypeAlias = NDArray[np.uint8]
    #: Top, bottom, left and right, in pixels from the top and the left.
    Box: TypeAlias = tuple[int, int, int, int]

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

#: Among words, the colour of the paper shows between the letters and the lines; in a picture it
#: is rare. A window belongs to a picture if at least this share of it has other colours; in
#: windows on text, it is less.
_SOLID = 0.85
#: The side of the window, as a share of the longer side: more than a line of text …
_WINDOW = 1 / 30
#: … and how much may lie between two parts of one picture, such as a white sky between trees.
_JOINED = 0.03
#: Rows and columns at the edge of a picture have other colours than the paper to this share.
_EDGE = 0.5
#: A page with words has at least this share of the colour of its paper.
_PAGE = 0.2
#: A picture among words has at least this share of the page's height and width, and of its area.
_SMALLEST_AMONG_WORDS = 0.09
_SMALLEST_AREA = 0.02


def crop_content_boxes(pixels: Pixels) -> list[Pixels]:
    """Return the pictures inside of this one that may be copies of others, at most two.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    return [crop(pixels, box) for box in find_content_boxes(pixels)]


def find_content_boxes(pixels: Pixels) -> list[Box]:
    """Return the boxes of ``crop_content_boxes``."""
    return [box for box in (_find_inside_bands(pixels), _find_on_page(pixels)) if box is not None]


def crop(pixels: Pixels, box: Box) -> Pixels:
    """Return the part of a picture in a box."""
    top, bottom, left, right = box
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def crop_bands(pixels: Pixels) -> Pixels | None:
    """Return the picture without bands of one colour at its edges; ``None`` if it has none.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    box = _find_inside_bands(pixels)
    return None if box is None else crop(pixels, box)


def _find_inside_bands(pixels: Pixels) -> Box | None:
    bands = measure_bands(pixels)
    if not any(bands):
        return None
    top, bottom, left, right = bands
    height, width = pixels.shape[:2]
    return top, height - bottom, left, width - right


def measure_bands(pixels: Pixels) -> tuple[int, int, int, int]:
    """Return the depths of bands of one colour: at the top, bottom, left and right, in pixels."""
    top, bottom = _measure_band(pixels), _measure_band(pixels[::-1])
    columns = pixels[top : pixels.shape[0] - bottom].transpose(1, 0, 2)
    return top, bottom, _measure_band(columns), _measure_band(columns[::-1])


def _measure_band(rows: Pixels) -> int:
    """Return how many of the first rows have one colour, that of the first."""
    deepest = int(len(rows) * _DEEPEST)
    ordered = np.sort(rows[0], axis=0).astype(np.int16)
    edge = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) // 2  # the median
    # Most pictures have no band, so the first row answers for all.
    depth = 0
    while depth < deepest:
        some = rows[depth : min(depth + (16 if depth else 1), deepest)].astype(np.int16)
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
    box = _find_on_page(pixels)
    return None if box is None else crop(pixels, box)


def _find_on_page(pixels: Pixels) -> Box | None:
    away, share = _find_away(pixels)
    box = None
    if share >= _PAGE:
        box = _find_solid_box(away)
    return _find_busy_box(away) if box is None else box


def _find_away(pixels: Pixels) -> tuple[Away, float]:
    """Return where a picture does not have its most frequent colour, and the share of that.

    The share is that of a sample, in steps of 16 values per channel: less than that of the 0 in
    the result, whose pixels may differ from the colour by ``_TOLERANCE``.
    """
    height, width = pixels.shape[:2]
    some = pixels[:: max(1, height // _LOOKED_AT), :: max(1, width // _LOOKED_AT)]
    steps = some.reshape(-1, 3) >> 4
    counts = np.bincount(steps @ np.array([256, 16, 1]), minlength=4096)
    paper = int(counts.argmax())
    centre = np.array([paper >> 8, paper >> 4 & 15, paper & 15]) * 16 + 8
    lowest, highest = (
        np.clip(centre + step, 0, 255).astype(np.uint8) for step in (-_TOLERANCE, _TOLERANCE)
    )
    is_paper = np.asarray(cv2.inRange(pixels, lowest, highest))
    return (is_paper == 0).astype(np.uint8), float(counts[paper] / counts.sum())


def _find_solid_box(away: Away) -> Box | None:
    """Return the largest box where the colour of the paper is rare, with paper around it."""
    height, width = away.shape
    side = int(max(height, width) * _WINDOW) | 1
    shares = cv2.boxFilter(away, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REPLICATE)
    solid = (np.asarray(shares) >= _SOLID).astype(np.uint8)
    gap = int(max(height, width) * _JOINED) | 1
    joined = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((gap, gap), dtype=np.uint8))
    parts = np.asarray(cv2.connectedComponentsWithStats(joined, connectivity=4)[2])[1:]
    if not parts.size:
        return None
    x, y, across, down, _ = map(int, parts[parts[:, cv2.CC_STAT_AREA].argmax()])
    # A window at the edge of the picture is half paper, so the picture is larger than its windows.
    top, bottom = _grow(away[:, x : x + across], y, y + down, side)
    left, right = _grow(away[top:bottom].T, x, x + across, side)
    smallest = min((bottom - top) / height, (right - left) / width)
    area = (bottom - top) * (right - left)
    if smallest < _SMALLEST_AMONG_WORDS or area < _SMALLEST_AREA * away.size:
        return None
    box = top, bottom, left, right
    return box if _is_on_paper(away, box) else None


def _grow(away: Away, start: int, end: int, most: int) -> tuple[int, int]:
    """Return where rows that are not paper start and end, at most so many beyond a range."""
    first = max(0, start - most)
    is_edge = away[first : end + most].mean(axis=1) > _EDGE
    before, after = is_edge[: start - first][::-1], is_edge[end - first :]
    above = int(np.argmin(before)) if not before.all() else before.size
    below = int(np.argmin(after)) if not after.all() else after.size
    return start - above, end + below


def _find_busy_box(away: Away) -> Box | None:
    """Return the box of the longest runs of rows and columns with little paper."""
    height, width = away.shape
    top, bottom = _find_longest_run(away)
    left, right = _find_longest_run(away[top:bottom].T)
    again_top, again_bottom = _find_longest_run(away[top:bottom, left:right])
    top, bottom = top + again_top, top + again_bottom
    if bottom - top < _SMALLEST * height or right - left < _SMALLEST * width:
        return None
    box = top, bottom, left, right
    return box if _is_on_paper(away, box) else None


def _is_on_paper(away: Away, box: Box) -> bool:
    """Return whether a box is less than the picture, and what is around it is mostly paper."""
    top, bottom, left, right = box
    outside = away.size - (bottom - top) * (right - left)
    if not outside:
        return False
    inked = int(away.sum(dtype=np.int64)) - int(away[top:bottom, left:right].sum(dtype=np.int64))
    return outside - inked >= _AROUND * outside


def _find_longest_run(away: Away) -> tuple[int, int]:
    """Return where the longest run of rows that are not paper starts and ends.

    Args:
        away: rows x pixels; see ``_find_away``.
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
