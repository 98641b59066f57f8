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
    averaged = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return averaged.astype(np.float32, copy=False)


def smooth_cells(values: Floats, window: int) -> Floats:
    """Return the mean of each cell's neighbourhood of ``window`` x ``window`` cells.

    Args:
        values: rows x columns, or rows x columns x maps.
        window: the side of a neighbourhood, in cells.
    """
    smoothed = cv2.blur(values, (window, window), borderType=cv2.BORDER_REPLICATE)
    return smoothed.astype(np.float32, copy=False).reshape(values.shape)  # without a last axis of 1


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
    padded = cv2.copyMakeBorder(second, reach, reach, reach, reach, cv2.BORDER_REFLECT_101).astype(
        np.float32
    )
    mean = smooth_cells(average_cells(first), window)
    own = smooth_cells(average_cells(first * first), window) - mean * mean
    own = np.maximum(own, 0) + np.float32(noise)
    # All shifts together, in the last axis: rows x columns x shifts.
    shifts = _list_shifts(reach)
    moved, moved_square = (
        smooth_cells(_cut_cells(_average_around(values), reach, first.shape), window)
        for values in (padded, padded * padded)
    )
    variance = moved_square - moved * moved
    np.maximum(variance, 0, out=variance)
    found = smooth_cells(_average_products(first, padded, reach), window)
    found -= mean[..., None] * moved
    found /= np.sqrt(own[..., None] * (variance + np.float32(noise)))
    centre, detail = found[..., 0].copy(), np.sqrt(variance[..., 0])  # the first is no shift
    found -= (_PER_PIXEL * np.abs(shifts).sum(axis=1, dtype=np.float64)).astype(np.float32)
    best = found.argmax(axis=-1)
    agreeing = np.take_along_axis(found, best[..., None], axis=-1)[..., 0]
    return Correlation(agreeing, centre, shifts[best], np.sqrt(own - np.float32(noise)), detail)


def _cut_cells(averages: Floats, reach: int, shape: tuple[int, ...]) -> Floats:
    """Return the averages of the cells at every shift: rows x columns x shifts."""
    height, width = shape
    cells = [
        averages[top : top + height : CELL, left : left + width : CELL]
        for left, top in (_list_shifts(reach).astype(np.intp) + reach).tolist()
    ]
    return np.stack(cells, axis=-1)


def _average_products(first: Floats, padded: Floats, reach: int) -> Floats:
    """Return the cells' means of the product with each shifted picture; see ``_cut_cells``."""
    height, width = first.shape
    product = np.empty_like(first)
    averages = []
    for left, top in (_list_shifts(reach).astype(np.intp) + reach).tolist():
        np.multiply(first, padded[top : top + height, left : left + width], out=product)
        averages.append(average_cells(product))
    return np.stack(averages, axis=-1)


def _average_around(values: Floats) -> Floats:
    """Return the mean of the cell that starts at each pixel."""
    averaged = cv2.blur(values, (CELL, CELL), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    return averaged.astype(np.float32, copy=False)


@cache
def _list_shifts(reach: int) -> Floats:
    """Return all shifts, x and y, the shortest first: n x 2."""
    along = range(-reach, reach + 1)
    shifts = [(across, down) for across in along for down in along]
    shifts.sort(key=lambda shift: shift[0] ** 2 + shift[1] ** 2)
    return np.array(shifts, dtype=np.float32)
