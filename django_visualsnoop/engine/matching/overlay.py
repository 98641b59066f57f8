"""Lay one decoded picture over another, to some tenths of a pixel. Imports no Django.

``registration`` starts from what is stored of two pictures. This starts from their pixels: features
agree on a projective map, and each part of the picture is then shifted by a few pixels to where it
fits best, so that lenses and bent paper do not look like differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.engine.descriptors.local_features import MIRRORED_BINS
from django_visualsnoop.engine.matching.correlation import CELL, correlate
from django_visualsnoop.engine.matching.registration import (
    Registration,
    compute_luma,
    extract_details,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Matrix = NDArray[np.float64]

#: The longer side, in pixels, of the pictures in which features are found.
_SIDE = 320
#: Most features of a picture, and differences of Gaussians below which there are none.
_FEATURES, _CONTRAST = 1000, 0.02
#: Pictures whose shorter side is less than this many pixels then have none.
_SHORTEST_FEATURED = 16
#: OpenCV doubles the picture for SIFT, and then gives places too large by this, in pixels.
_BIAS = 0.25
#: The nearest feature must be nearer than the second by this factor.
_NEARER = 0.8
#: A match supports a map if it is off by at most this many pixels.
_TOLERANCE = 3.0
#: Features that must agree on a map.
_FEWEST = 8
#: With this many, the picture is not mirrored.
_SURE = 32
#: Scales further than this from 1, and maps that squeeze more than this, leave nothing to compare.
_LARGEST_SCALE, _SQUEEZED = 8.0, 3.0
#: The shortest side of an overlap that says something, in pixels.
_SHORTEST = 48
#: Parts are shifted by at most twice this many pixels; a part spans this many cells of 8 pixels.
_REACH, _WINDOW = 3, 7
#: Shifts count where details agree by this correlation, and have this standard deviation.
_AGREEING, _DETAIL = 0.6, 3.0
#: Shifts change slowly: they are smoothed over this many cells of 8 pixels.
_SMOOTH = 2.5


class FullFeatures(NamedTuple):
    """SIFT features of a decoded picture."""

    #: n x 2: x and y in pixels.
    places: Floats
    #: n x 128: RootSIFT.
    values: Floats


class FoundMap(NamedTuple):
    """The projective map that most features agree on."""

    #: 3 x 3: takes places of one picture to the other, in pixels.
    matrix: Matrix
    #: How many features agree.
    agreeing: int


class Placed(NamedTuple):
    """Two pictures in one frame, one of them where a map takes it."""

    #: Height x width x 3, 0 to 255; height and width are multiples of 8.
    frame: Floats
    moved: Floats
    #: Height x width: where both show something.
    inside: NDArray[np.bool_]
    #: The areas of both whole pictures, in pixels of the frame.
    areas: tuple[float, float]
    #: See ``Registration``.
    scale: float


_NONE = FullFeatures(np.empty((0, 2), np.float32), np.empty((0, 128), np.float32))


def find_full_features(pixels: Pixels) -> FullFeatures:
    """Return the features of a picture, with their places in it.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    factor = _SIDE / max(height, width)
    size = round(width * factor), round(height * factor)
    if min(size) < _SHORTEST_FEATURED:
        return _NONE
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(grey, size, interpolation=how)
    detector = cv2.SIFT.create(nfeatures=_FEATURES, contrastThreshold=_CONTRAST)
    keypoints, found = detector.detectAndCompute(grey, None)
    if not keypoints:
        return _NONE
    values = np.asarray(found, dtype=np.float32)
    values /= np.maximum(values.sum(axis=1, keepdims=True), np.float32(1e-6))
    places = np.asarray(cv2.KeyPoint.convert(keypoints), dtype=np.float32)
    # Pixel 0 has its centre at 0.5.
    scales = np.array([width / size[0], height / size[1]], dtype=np.float32)
    return FullFeatures((places + (0.5 - _BIAS)) * scales - np.float32(0.5), np.sqrt(values))


def find_map(first: FullFeatures, second: FullFeatures, width: int) -> FoundMap | None:
    """Return the map that most features agree on; ``None`` if too few agree.

    Args:
        first, second: the features of both pictures.
        width: the width of the first, which may be mirrored.
    """
    plain = _fit_map(first, second)
    if plain is not None and plain.agreeing >= _SURE:
        return plain
    turned = first.places * np.array([-1, 1], dtype=np.float32)
    turned[:, 0] += width - 1
    mirrored = _fit_map(FullFeatures(turned, first.values[:, MIRRORED_BINS]), second)
    if mirrored is None or (plain is not None and plain.agreeing >= mirrored.agreeing):
        return plain
    back = np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])
    return mirrored._replace(matrix=mirrored.matrix @ back)


def _fit_map(first: FullFeatures, second: FullFeatures) -> FoundMap | None:
    if min(len(first.places), len(second.places)) < _FEWEST:
        return None
    agreeing = first.values @ second.values.T
    nearest = agreeing.argmax(axis=1)
    rows = np.arange(len(nearest))
    best = agreeing[rows, nearest]
    mutual = agreeing.argmax(axis=0)[nearest] == rows
    agreeing[rows, nearest] = -1
    # Of unit vectors: the square of the distance is 2 - 2 x cosine.
    clear = (1 - best) < _NEARER**2 * (1 - agreeing.max(axis=1))
    kept = np.flatnonzero(mutual & clear)
    if len(kept) < _FEWEST:
        return None
    matrix, inside = cv2.findHomography(
        first.places[kept],
        second.places[nearest[kept]],
        cv2.USAC_MAGSAC,
        _TOLERANCE,
        maxIters=2000,
        confidence=0.999,
    )
    if matrix is None or int(inside.sum()) < _FEWEST:
        return None
    return FoundMap(np.asarray(matrix, dtype=np.float64), int(inside.sum()))


def place_over(first: Pixels, second: Pixels, matrix: Matrix) -> Placed | None:
    """Return both pictures in the frame of the one that shows less detail of what they share.

    Args:
        first, second: height x width x 3, RGB, uint8.
        matrix: 3 x 3: takes places of the first to the second.

    Returns:
        ``None`` if too little of them overlaps, or the map cannot be a view of a picture.
    """
    scale = _measure_scale(matrix, first)
    if scale is None:
        return None
    if scale > 1:
        first, second = second, first
        matrix = np.linalg.inv(matrix)
        scale = _measure_scale(matrix, first) or 1 / scale
    laid = _warp(second.astype(np.float32), first, matrix, min(1.0, scale))
    if laid is None:
        return None
    areas = second.shape[0] * second.shape[1], scale**2 * first.shape[0] * first.shape[1]
    return Placed(*laid, areas, min(1.0, scale))


def fit_parts(placed: Placed) -> Registration:
    """Return both pictures with each part of the moved one shifted to where it fits best."""
    moved, inside, misfit = _shift_parts(placed.frame, placed.moved, placed.inside)
    overlap = float(np.count_nonzero(inside))
    of_frame, of_moved = placed.areas
    shares = overlap / of_frame, min(1.0, overlap / max(1.0, of_moved))
    return Registration(placed.frame, moved, inside, shares, placed.scale, misfit)


def _measure_scale(matrix: Matrix, source: Pixels) -> float | None:
    """Return the scale of the map at the middle of the picture; ``None`` if it is no view of it."""
    height, width = source.shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], float)
    depths = corners @ matrix[2]
    if not (depths > 0.2 * depths.max()).all():
        return None
    placed = (corners @ matrix.T)[:, :2] / depths[:, None]
    ahead = np.roll(placed, -1, axis=0) - placed
    # At every corner the outline must turn the same way, as that of a convex quadrilateral does.
    after = np.roll(ahead, -1, axis=0)
    turns = ahead[:, 0] * after[:, 1] - ahead[:, 1] * after[:, 0]
    if not ((turns > 0).all() or (turns < 0).all()):
        return None
    sides = np.hypot(*ahead.T) / [width, height, width, height]
    if sides.max() > _SQUEEZED * sides.min():
        return None
    scale = float(np.sqrt(sides[:2].mean() * sides[2:].mean()))
    return scale if 1 / _LARGEST_SCALE < scale < _LARGEST_SCALE else None


def _warp(
    frame: Floats, moved: Pixels, matrix: Matrix, scale: float
) -> tuple[Floats, Floats, NDArray[np.bool_]] | None:
    """Return both, cut to the overlap, and where the moved one is."""
    height, width = frame.shape[:2]
    inside = cv2.warpPerspective(
        np.ones(moved.shape[:2], np.uint8), matrix, (width, height), flags=cv2.INTER_NEAREST
    )
    left, top, wide, high = cv2.boundingRect(inside)
    wide, high = wide - wide % (2 * CELL), high - high % (2 * CELL)
    if min(wide, high) < _SHORTEST:
        return None
    source = moved.astype(np.float32)
    if scale < 0.9:  # or details too small for the frame would remain as noise
        blur = 0.5 * float(np.sqrt(1 / scale**2 - 1))
        source = cv2.GaussianBlur(source, (0, 0), blur).astype(np.float32)
    cut = np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix
    laid = cv2.warpPerspective(
        source, cut, (wide, high), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    part = np.s_[top : top + high, left : left + wide]
    return (
        np.ascontiguousarray(frame[part]),
        np.clip(laid, 0, 255).astype(np.float32),
        inside[part].astype(np.bool_),
    )


def _shift_parts(
    frame: Floats, moved: Floats, inside: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_], float]:
    """Return the moved picture with each part where it fits best, and how far that was.

    The last is the root mean square, in pixels.
    """
    height, width = inside.shape
    half = width // 2, height // 2
    small = [
        cv2.resize(compute_luma(one), half, interpolation=cv2.INTER_AREA).astype(np.float32)
        for one in (frame, moved)
    ]
    first, second = map(extract_details, small)
    found = correlate(first, second, reach=_REACH, window=_WINDOW, noise=4.0)
    rows, columns = found.best.shape
    shown = cv2.resize(inside.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST)
    told = (shown > 0) & (found.best > _AGREEING) & (found.first_detail > _DETAIL)
    if not told.any():
        return moved, inside, 0.0
    trust = np.where(told, found.best, 0).astype(np.float32)
    weights = cv2.GaussianBlur(trust, (0, 0), _SMOOTH) + np.float32(1e-3)
    shifts = found.shifts * trust[..., None]
    smooth = cv2.GaussianBlur(shifts, (0, 0), _SMOOTH) / weights[..., None]
    misfit = float(np.sqrt((smooth[told] ** 2).sum(axis=1).mean())) * 2
    # The shifts are those of pixels of half the size.
    dense = 2 * cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
    down, across = np.mgrid[:height, :width].astype(np.float32)
    places = across + dense[..., 0], down + dense[..., 1]
    placed = cv2.remap(moved, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    still = cv2.remap(inside.astype(np.uint8), *places, cv2.INTER_NEAREST)
    return placed.astype(np.float32), still.astype(np.bool_), misfit
