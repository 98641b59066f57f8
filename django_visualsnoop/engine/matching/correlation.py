"""Correlate two pictures cell by cell, allowing for small shifts. Imports no Django."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

#: The side of a cell, in pixels. A window around it spans ``WINDOW`` cells each way.
CELL = 4
#: A shifted cell must agree better by this much per pixel of the shift.
_PER_PIXEL = 0.01


class Correlation(NamedTuple):
    """For each cell of rows x columns: how two pictures agree around it."""

    #: Normalised cross-correlation, -1 to 1, at the shift where it is highest …
    best: Floats
    #: … and without a shift.
    centre: Floats
    #: That shift, in pixels: rows x columns x 2, x and y.
    shifts: Floats
    #: Standard deviations of both pictures.
    first_detail: Floats
    second_detail: Floats


def average_cells(values: Floats) -> Floats:
    """Return the mean of each cell; height and width are multiples of ``CELL``."""
    size = values.shape[1] // CELL, values.shape[0] // CELL
    averaged: Floats = cv2.resize(values, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return averaged


def smooth_cells(values: Floats, window: int) -> Floats:
    """Return the mean of each cell's neighbourhood of ``window`` x ``window`` cells."""
    smoothed: Floats = cv2.blur(values, (window, window), borderType=cv2.BORDER_REPLICATE).astype(
        np.float32
    )
    return smoothed


def correlate(
    first: Floats, second: Floats, *, reach: int, window: int, noise: float
) -> Correlation:
    """Return how two pictures agree around each cell.

    Args:
        first, second: height x width, multiples of ``CELL``.
        reach: the largest shift, in pixels.
        window: the side of a neighbourhood, in cells.
        noise: the variance that says nothing: flat neighbourhoods correlate by 0.
    """

    height, width = first.shape
    padded = cv2.copyMakeBorder(second, reach, reach, reach, reach, cv2.BORDER_REFLECT_101).astype(
        np.float32
    )
    # The means of the cells at every shift, once for all shifts.
    moved, moved_square = (_average_around(values) for values in (padded, padded * padded))
    mean = smooth_cells(average_cells(first), window)
    own = smooth_cells(average_cells(first * first), window) - mean * mean
    own = np.maximum(own, 0) + np.float32(noise)
    best = np.full(mean.shape, -2.0, dtype=np.float32)
    shifts = np.zeros((*mean.shape, 2), dtype=np.float32)
    centre = detail = mean
    for across, down in _list_shifts(reach):
        top, left = reach + down, reach + across
        cells = np.s_[top : top + height : CELL, left : left + width : CELL]
        other = smooth_cells(moved[cells], window)
        variance = smooth_cells(moved_square[cells], window) - other * other
        np.maximum(variance, 0, out=variance)
        product = average_cells(first * padded[top : top + height, left : left + width])
        found = smooth_cells(product, window) - mean * other
        found /= np.sqrt(own * (variance + np.float32(noise)))
        if across == down == 0:
            centre, detail = found.copy(), np.sqrt(variance)
        found -= np.float32(_PER_PIXEL * (abs(across) + abs(down)))
        better = found > best
        np.copyto(best, found, where=better)
        shifts[better] = across, down
    return Correlation(best, centre, shifts, np.sqrt(own - np.float32(noise)), detail)


def _average_around(values: Floats) -> Floats:
    """Return the mean of the cell that starts at each pixel."""
    averaged = cv2.blur(values, (CELL, CELL), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    return averaged.astype(np.float32, copy=False)


@cache
def _list_shifts(reach: int) -> list[tuple[int, int]]:
    """Return all shifts, the shortest first."""
    along = range(-reach, reach + 1)
    shifts = [(across, down) for across in along for down in along]
    return sorted(shifts, key=lambda shift: shift[0] ** 2 + shift[1] ** 2)
