"""Compute four features of a whole picture, and their permutations by turns. Imports no Django.

They describe the directions of edges (histograms of oriented gradients on a fine and a coarse
grid; N. Dalal, B. Triggs, CVPR 2005), the layout of the colours, and their frequencies.
A cell, colour or direction indexes every value, so mirroring or turning the picture only
permutes the values.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

    Floats: TypeAlias = NDArray[np.float32]

_DIRECTIONS = 8
_FINE_SIDE, _FINE_CELLS = 64, 8
_COARSE_SIDE, _COARSE_CELLS = 32, 4
_LAYOUT_CELLS = 8
_HISTOGRAM = (4, 8, 8)  # lightness, and the two opponent colours
_BINS = np.array(_HISTOGRAM, dtype=np.float32)
_LOW = np.array([0, -30, -30], dtype=np.float32)
_PER_BIN = _BINS / np.array([100, 60, 60], dtype=np.float32)
_STRIDES = np.array([64, 8, 1])

#: Weights of the features' squares in the measure of detail.
_WEIGHTS = {"fine": 0.40, "coarse": 0.25, "layout": 0.20, "histogram": 0.15}
#: Gradients below this are noise of the sensor or of JPEG (lightness is 0 to 100, per pixel).
_GRADIENT_FLOOR = 1.5
#: Deviations from the mean colour below this count as none (same unit).
_COLOUR_FLOOR = 4.0

_SIZES = {
    "fine": _FINE_CELLS**2 * _DIRECTIONS,
    "coarse": _COARSE_CELLS**2 * _DIRECTIONS,
    "layout": _LAYOUT_CELLS**2 * 3,
    "histogram": int(np.prod(_HISTOGRAM)),
}
#: Total number of values of the features.
SIZE = sum(_SIZES.values())


def compute_global_features(pixels: Pixels) -> tuple[Floats, float, Floats]:
    """Return the four features in a row, the amount of detail, and the mean colour.

    Args:
        pixels: height x width x 3, RGB, uint8; the features use it squashed to a square.

    Returns:
        ``SIZE`` values, each feature of unit length or shorter if there is little to see; 0 for a
        flat picture to 1; lightness 0 to 100, and two opponent colours of about -50 to 50.
    """
    fine = _convert_to_lab(pixels, _FINE_SIDE)
    coarse = _halve(fine)
    mean: Floats = fine.reshape(-1, 3).mean(axis=0)
    parts = {
        "fine": _compute_gradients(fine, _FINE_CELLS),
        "coarse": _compute_gradients(coarse, _COARSE_CELLS),
        "layout": _compute_layout(coarse, mean),
        "histogram": _compute_histogram(coarse, mean),
    }
    detail = sum(_WEIGHTS[name] * float(part @ part) for name, part in parts.items())
    return np.concatenate(list(parts.values())), min(1.0, detail), mean


def _convert_to_lab(pixels: Pixels, side: int) -> Floats:
    small = cv2.resize(pixels, (2 * side, 2 * side), interpolation=cv2.INTER_AREA)
    rgb = _halve(small.astype(np.float32) * np.float32(100 / 255))
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    lightness = 0.30 * red + 0.59 * green + 0.11 * blue
    return np.stack([lightness, 0.5 * (red - green), 0.25 * (red + green) - 0.5 * blue], axis=-1)


def _halve(lab: Floats) -> Floats:
    side = lab.shape[0] // 2
    halved = cv2.resize(lab, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(halved, dtype=np.float32)


def _compute_gradients(lab: Floats, cells: int) -> Floats:
    """Return the directions of the edges per grid cell, as a unit vector or shorter."""
    lightness = np.asarray(
        cv2.copyMakeBorder(np.ascontiguousarray(lab[..., 0]), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    )
    across = lightness[1:-1, 2:] - lightness[1:-1, :-2]
    down = lightness[2:, 1:-1] - lightness[:-2, 1:-1]
    strength = np.hypot(across, down)
    # Each gradient is split between the two nearest of the directions k * pi / 8.
    direction = np.arctan2(down, across) * np.float32(_DIRECTIONS / np.pi)
    # Modulo ``_DIRECTIONS``, but without a division.
    direction[direction >= _DIRECTIONS] -= _DIRECTIONS
    direction[direction < 0] += _DIRECTIONS
    lower = np.floor(direction)
    share = direction - lower
    side = lab.shape[0]
    place = _find_cells(side, cells) * _DIRECTIONS
    first = (place + lower.astype(np.intp) % _DIRECTIONS).ravel()
    second = (place + (lower.astype(np.intp) + 1) % _DIRECTIONS).ravel()
    size = cells * cells * _DIRECTIONS
    sums = np.bincount(first, (strength * (1 - share)).ravel(), size)
    sums += np.bincount(second, (strength * share).ravel(), size)
    per_cell = sums.reshape(cells * cells, _DIRECTIONS)
    # Normalise each cell to about one length, so that the strongest edges do not decide alone.
    pixels = (side // cells) ** 2
    lengths = np.linalg.norm(per_cell, axis=1, keepdims=True)
    evened = per_cell / np.sqrt(lengths + _GRADIENT_FLOOR * pixels)
    evened -= evened.mean()
    return limit_length(evened.ravel(), (_GRADIENT_FLOOR * pixels) ** 0.5 * cells / 4)


@cache
def _find_cells(side: int, cells: int) -> NDArray[np.intp]:
    """Return the number of the cell of each pixel: side x side."""
    cell = np.arange(side) * cells // side
    numbers: NDArray[np.intp] = cell[:, None] * cells + cell[None, :]
    return numbers


def _compute_layout(lab: Floats, mean: Floats) -> Floats:
    step = lab.shape[0] // _LAYOUT_CELLS
    blocks = lab.reshape(_LAYOUT_CELLS, step, _LAYOUT_CELLS, step, 3).mean(axis=(1, 3)) - mean
    return limit_length(blocks.ravel(), _COLOUR_FLOOR * _LAYOUT_CELLS)


def _compute_histogram(lab: Floats, mean: Floats) -> Floats:
    """Return the frequency of each colour; each pixel is split between the eight nearest bins."""
    place = np.clip((lab.reshape(-1, 3) - _LOW) * _PER_BIN - np.float32(0.5), 0, _BINS - 1)
    floor = np.minimum(np.floor(place), _BINS - 2)
    share = place - floor
    shares: Floats = np.stack([1 - share, share])  # lower and upper, pixels, axes
    start = floor.astype(np.intp) @ _STRIDES
    corners = np.array(list(np.ndindex(2, 2, 2)))
    index = start[None, :] + (corners @ _STRIDES)[:, None]
    weights: Floats = shares[corners[:, 0], :, 0] * shares[corners[:, 1], :, 1]
    weights *= shares[corners[:, 2], :, 2]
    counts = np.bincount(index.ravel(), weights.ravel(), minlength=_SIZES["histogram"])
    roots = np.sqrt(counts / counts.sum())
    deviation = float(np.sqrt(((lab - mean) ** 2).sum(axis=-1).mean()))
    detail = deviation / (deviation + _COLOUR_FLOOR)
    roots -= roots.mean()
    return (roots / np.linalg.norm(roots) * detail).astype(np.float32)


def limit_length(values: NDArray[np.floating], floor: float) -> Floats:
    """Return the values at unit length, or shorter if they hardly exceed the floor."""
    length = float(np.linalg.norm(values))
    shortened: Floats = (values / np.hypot(length, floor)).astype(np.float32)
    return shortened


@cache
def compute_permutations() -> NDArray[np.intp]:
    """Return the sources of the turned picture's features: 8 x ``SIZE``.

    The order is: the picture unchanged and turned by one to three quarters, counterclockwise;
    then mirrored left to right, and turned so.
    """
    starts = dict(zip(_SIZES, np.cumsum([0, *_SIZES.values()]), strict=False))
    grids = {
        "fine": (_FINE_CELLS, _DIRECTIONS),
        "coarse": (_COARSE_CELLS, _DIRECTIONS),
        "layout": (_LAYOUT_CELLS, 3),
    }
    rows = []
    for mirrored in (False, True):
        for quarters in range(4):
            row = np.arange(SIZE)
            for name, (cells, depth) in grids.items():
                start = starts[name]
                grid = row[start : start + cells * cells * depth].reshape(cells, cells, depth)
                turned = _permute_grid(grid, quarters, mirrored, directed=depth == _DIRECTIONS)
                row[start : start + cells * cells * depth] = turned.ravel()
            rows.append(row)
    return np.stack(rows)


def _permute_grid(
    grid: NDArray[np.intp], quarters: int, mirrored: bool, *, directed: bool
) -> NDArray[np.intp]:
    direction = np.arange(_DIRECTIONS)
    if mirrored:
        grid = grid[:, ::-1]
        if directed:
            grid = grid[..., -direction % _DIRECTIONS]
    if quarters:
        grid = np.rot90(grid, quarters)
        if directed and quarters % 2:
            grid = grid[..., (direction + _DIRECTIONS // 2) % _DIRECTIONS]
    return grid.copy()
