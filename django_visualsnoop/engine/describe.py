"""Pixels to one vector. Imports no Django.

The vector joins four views of the picture, squashed to a square: where its
edges run (histograms of oriented gradients on a fine and a coarse grid), how
its colours are laid out, and which colours it has. A picture with little
detail gives little of these; what is missing up to unit length is filled by
its mean colour, coded so that only nearly equal colours agree. Pictures of
one colour therefore match their like and nothing else.

Every view is indexed by cell, by colour or by direction, so that mirroring or
turning the picture only permutes the vector: the eight vectors of ``turns``
cost no pixels.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

from django_visualsnoop.engine.inner import inner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.decode import Pixels

    #: One picture: ``DIMENSIONS`` signed bytes; the length of the vector has no meaning.
    Vector: TypeAlias = NDArray[np.int8]
    Floats: TypeAlias = NDArray[np.float32]

#: Vectors of different versions cannot be compared. Raise it whenever a vector changes.
VERSION = 1

_DIRECTIONS = 8
_FINE_SIDE, _FINE_CELLS = 64, 8
_COARSE_SIDE, _COARSE_CELLS = 32, 4
_LAYOUT_CELLS = 8
_HISTOGRAM = (4, 6, 6)  # lightness, and the two opponent colours
_COLOUR_CODE = 32

#: Weights of the views' squares; set by hand, edges before colours, which edits change more.
_WEIGHTS = {"fine": 0.40, "coarse": 0.25, "layout": 0.20, "histogram": 0.15}
#: Gradients below this are noise of the sensor or of JPEG (lightness is 0 to 100, per pixel).
_GRADIENT_FLOOR = 1.5
#: Deviations from the mean colour below this are none (same unit).
_COLOUR_FLOOR = 4.0
#: Mean colours this far apart are different colours (same unit).
_COLOUR_WIDTH = 4.0

_SIZES = {
    "fine": _FINE_CELLS**2 * _DIRECTIONS,
    "coarse": _COARSE_CELLS**2 * _DIRECTIONS,
    "layout": _LAYOUT_CELLS**2 * 3,
    "histogram": int(np.prod(_HISTOGRAM)),
    "colour": _COLOUR_CODE,
}
DIMENSIONS = sum(_SIZES.values())


def describe(pixels: Pixels) -> Vector:
    """Return the vector of a picture.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    image = Image.fromarray(pixels)
    large = _lab(image, 2 * _FINE_SIDE)
    fine = _halved(large)
    coarse = _halved(fine)
    mean = fine.mean(axis=(0, 1))
    views = {
        "fine": _gradients(fine, _FINE_CELLS),
        "coarse": _gradients(coarse, _COARSE_CELLS),
        "layout": _layout(coarse, mean),
        "histogram": _histogram(fine, mean),
    }
    parts = [np.sqrt(np.float32(_WEIGHTS[name])) * view for name, view in views.items()]
    missing = 1.0 - sum(float(part @ part) for part in parts)
    parts.append(np.sqrt(np.float32(max(0.0, missing))) * _colour_code(mean))
    vector = np.concatenate(parts)
    quantised: Vector = np.rint(vector * (127.0 / np.abs(vector).max())).astype(np.int8)
    return quantised


def probes(pixels: Pixels) -> NDArray[np.int8]:
    """Return the vectors by which to look for copies of a picture: probes x ``DIMENSIONS``.

    They are those of its ``turns``, and if it has a frame, those of the picture inside.
    """
    found = turns(describe(pixels))
    inside = inner(pixels)
    return found if inside is None else np.concatenate([found, turns(describe(inside))])


def unit(vectors: NDArray[np.int8]) -> Floats:
    """Return vectors, in the last axis, scaled to length one."""
    floats: Floats = vectors.astype(np.float32)
    lengths: Floats = np.sqrt(np.square(floats).sum(axis=-1, keepdims=True))
    floats /= np.maximum(lengths, np.float32(1e-6))
    return floats


def turns(vector: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the vectors of the picture as it is, turned and mirrored: 8 x ``DIMENSIONS``."""
    return vector[..., _permutations()]


def _lab(image: Image.Image, side: int) -> Floats:
    """Return lightness and two opponent colours, 0 to 100 and about -50 to 50."""
    small = image.resize((side, side), Image.Resampling.BOX, reducing_gap=3.0)
    rgb: Floats = np.asarray(small, dtype=np.float32) * np.float32(100 / 255)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    lightness = 0.30 * red + 0.59 * green + 0.11 * blue
    return np.stack([lightness, 0.5 * (red - green), 0.25 * (red + green) - 0.5 * blue], axis=-1)


def _halved(lab: Floats) -> Floats:
    side = lab.shape[0] // 2
    halved: Floats = lab.reshape(side, 2, side, 2, 3).mean(axis=(1, 3))
    return halved


def _gradients(lab: Floats, cells: int) -> Floats:
    """Return the directions of the edges in each cell of a grid, as unit vector or shorter."""
    lightness = np.pad(lab[..., 0], 1, mode="edge")
    across = lightness[1:-1, 2:] - lightness[1:-1, :-2]
    down = lightness[2:, 1:-1] - lightness[:-2, 1:-1]
    strength = np.hypot(across, down)
    # Each gradient is shared between the two nearest of the directions k * pi / 8.
    direction = np.arctan2(down, across) * np.float32(_DIRECTIONS / np.pi) % _DIRECTIONS
    lower = np.floor(direction)
    share = direction - lower
    side = lab.shape[0]
    cell = np.arange(side) * cells // side
    place = (cell[:, None] * cells + cell[None, :]) * _DIRECTIONS
    first = (place + lower.astype(np.intp) % _DIRECTIONS).ravel()
    second = (place + (lower.astype(np.intp) + 1) % _DIRECTIONS).ravel()
    size = cells * cells * _DIRECTIONS
    sums = np.bincount(first, (strength * (1 - share)).ravel(), size)
    sums += np.bincount(second, (strength * share).ravel(), size)
    per_cell = sums.reshape(cells * cells, _DIRECTIONS)
    # Each cell is brought near one length, so that the strongest edges do not decide alone.
    pixels = (side // cells) ** 2
    lengths = np.linalg.norm(per_cell, axis=1, keepdims=True)
    evened = per_cell / np.sqrt(lengths + _GRADIENT_FLOOR * pixels)
    evened -= evened.mean()
    return _limited(evened.ravel(), (_GRADIENT_FLOOR * pixels) ** 0.5 * cells / 4)


def _layout(lab: Floats, mean: Floats) -> Floats:
    step = lab.shape[0] // _LAYOUT_CELLS
    blocks = lab.reshape(_LAYOUT_CELLS, step, _LAYOUT_CELLS, step, 3).mean(axis=(1, 3)) - mean
    return _limited(blocks.ravel(), _COLOUR_FLOOR * _LAYOUT_CELLS)


def _histogram(lab: Floats, mean: Floats) -> Floats:
    low = np.array([0, -30, -30], dtype=np.float32)
    high = np.array([100, 30, 30], dtype=np.float32)
    bins = np.array(_HISTOGRAM, dtype=np.float32)
    place = np.clip((lab - low) / (high - low) * bins - np.float32(0.5), 0, bins - 1).reshape(-1, 3)
    floor = np.minimum(np.floor(place), bins - 2)
    share = place - floor
    start = floor.astype(np.intp)
    counts = np.zeros(int(np.prod(_HISTOGRAM)))
    for corner in np.ndindex(2, 2, 2):
        index = start + np.array(corner)
        weight = np.where(np.array(corner, dtype=bool), share, 1 - share).prod(axis=1)
        flat = (index[:, 0] * _HISTOGRAM[1] + index[:, 1]) * _HISTOGRAM[2] + index[:, 2]
        counts += np.bincount(flat, weight, counts.size)
    roots = np.sqrt(counts / counts.sum())
    deviation = float(np.sqrt(((lab - mean) ** 2).sum(axis=-1).mean()))
    detail = deviation / (deviation + _COLOUR_FLOOR)
    roots -= roots.mean()
    return (roots / np.linalg.norm(roots) * detail).astype(np.float32)


def _limited(values: NDArray[np.floating], floor: float) -> Floats:
    """Return the values at unit length, or shorter where they hardly exceed the floor."""
    length = float(np.linalg.norm(values))
    shortened: Floats = (values / np.hypot(length, floor)).astype(np.float32)
    return shortened


def _colour_code(mean: Floats) -> Floats:
    """Return a unit vector; those of two colours agree as a Gaussian of their distance."""
    angles = _waves() @ (mean / np.float32(_COLOUR_WIDTH))
    code: Floats = np.concatenate([np.cos(angles), np.sin(angles)])
    return _limited(code, 0.0)


@cache
def _waves() -> Floats:
    dice = np.random.default_rng(20260101)
    return dice.standard_normal((_COLOUR_CODE // 2, 3)).astype(np.float32)


@cache
def _permutations() -> NDArray[np.intp]:
    """Return where each of the eight turned vectors takes its values from."""
    offsets = np.cumsum([0, *_SIZES.values()])
    starts = dict(zip(_SIZES, offsets, strict=False))
    grids = {
        "fine": (_FINE_CELLS, _DIRECTIONS),
        "coarse": (_COARSE_CELLS, _DIRECTIONS),
        "layout": (_LAYOUT_CELLS, 3),
    }
    rows = []
    for mirrored in (False, True):
        for quarters in range(4):
            row = np.arange(DIMENSIONS)
            for name, (cells, depth) in grids.items():
                start = starts[name]
                grid = row[start : start + cells * cells * depth].reshape(cells, cells, depth)
                turned = _turned(grid, quarters, mirrored, directed=depth == _DIRECTIONS)
                row[start : start + cells * cells * depth] = turned.ravel()
            rows.append(row)
    return np.stack(rows)


def _turned(
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
