"""Lay one picture over another, by the map that their features agree on. Imports no Django.

The features' map is only as exact as their places. So this shifts each part of the picture by a few
pixels to where it fits best, and fits an affine map to these shifts (compare B. Zitová, J. Flusser,
Image registration methods: a survey, Image and Vision Computing 2003).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import SIDE
from django_visualsnoop.engine.matching.correlation import CELL, correlate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.verify import Alignment

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Matrix = NDArray[np.float64]

#: The shortest side of an overlap that says something, in pixels.
_SHORTEST = 12
#: The largest correction of a part's place, in pixels.
_REACH = 3
#: Neighbourhoods of this many cells are shifted; at least this many determine a correction …
_WINDOW, _FEWEST = 5, 12
#: … if they agree by this correlation, and have details of this standard deviation.
_AGREEING, _DETAIL = 0.5, 3.0
#: A correction may change the area by this factor at most.
_STRETCH = 2.0
#: Scales further than this from 1 leave nothing to compare.
_LARGEST_SCALE = 40.0
#: Blur that separates details from tones, in pixels.
_DETAIL_BLUR = 2.5


class Registration(NamedTuple):
    """Two pictures in one frame: the part that both show, at the lower of the two resolutions."""

    #: Height x width x 3, 0 to 255; height and width are multiples of ``CELL``.
    first: Floats
    second: Floats
    #: Height x width: where both show something.
    inside: NDArray[np.bool_]
    #: 0 to 1: the share of each picture that the other one shows: the frame's, and the moved one's.
    shares: tuple[float, float]
    #: Pixels of the frame per pixel of the moved picture, at most about 1.
    scale: float
    #: How far parts remain from where the map takes them, in pixels: the root mean square.
    misfit: float


def register(query: Pixels, stored: Pixels, alignment: Alignment) -> Registration | None:
    """Return both pictures in the frame of the one that shows less detail of what they share.

    Args:
        query, stored: height x width x 3, RGB, uint8.
        alignment: takes places of the query to the stored picture.

    Returns:
        ``None`` if too little of them overlaps.
    """
    to_stored = scale_map(query, stored, alignment)
    scale = float(np.sqrt(abs(np.linalg.det(to_stored[:, :2]))))
    if not 1 / _LARGEST_SCALE < scale < _LARGEST_SCALE:
        return None
    if scale <= 1:
        frame, moved, matrix = stored, query, to_stored
    else:
        frame, moved, matrix = query, stored, _invert(to_stored)
    base = frame.astype(np.float32)
    laid = _lay_over(base, moved, matrix)
    if laid is None:
        return None
    correction = _fit_correction(laid)
    misfit = 0.0
    if correction is not None:
        corrected, misfit = correction
        stretch = abs(np.linalg.det(corrected[:, :2]))
        if 1 / _STRETCH < stretch < _STRETCH:
            # The correction takes places of the frame to where the moved picture shows them.
            matrix = _compose(_invert(corrected), matrix)
            laid = _lay_over(base, moved, matrix)
            if laid is None:
                return None
    area = abs(float(np.linalg.det(matrix[:, :2]))) * moved.shape[0] * moved.shape[1]
    overlap = float(np.count_nonzero(laid.inside))
    shares = overlap / (frame.shape[0] * frame.shape[1]), min(1.0, overlap / max(1.0, area))
    return Registration(laid.first, laid.second, laid.inside, shares, min(scale, 1 / scale), misfit)


def compute_luma(pixels: Floats) -> Floats:
    """Return the luma of RGB pixels (ITU-R BT.601)."""
    luma: Floats = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return luma


def extract_details(luma: Floats) -> Floats:
    """Return what is left without tones that change slowly."""
    details: Floats = luma - cv2.GaussianBlur(luma, (0, 0), _DETAIL_BLUR)
    return details


class _Laid(NamedTuple):
    """Both pictures in the frame, cut to the overlap; see ``Registration``."""

    first: Floats
    second: Floats
    inside: NDArray[np.bool_]
    #: Place of the cut in the frame, in pixels.
    left: int
    top: int


def scale_map(query: Pixels, stored: Pixels, alignment: Alignment) -> Matrix:
    """Return the map as 2 x 3, from pixels of the query to pixels of the stored picture."""
    # Features are at shares of the longer side; pixel 0 has its centre at 0.5.
    from_query, to_stored = max(query.shape[:2]) / SIDE, max(stored.shape[:2]) / SIDE
    matrix = np.empty((2, 3))
    matrix[:, :2] = alignment.matrix * (to_stored / from_query)
    matrix[:, 2] = alignment.shift * to_stored + matrix[:, :2] @ (0.5, 0.5) - 0.5
    return matrix


def _lay_over(frame: Floats, moved: Pixels, matrix: Matrix) -> _Laid | None:
    height, width = frame.shape[:2]
    inside = cv2.warpAffine(
        np.ones(moved.shape[:2], np.uint8), matrix, (width, height), flags=cv2.INTER_NEAREST
    )
    left, top, wide, high = cv2.boundingRect(inside)
    if min(wide, high) < _SHORTEST:
        return None
    wide, high = wide - wide % CELL, high - high % CELL
    cut = matrix - [[0, 0, left], [0, 0, top]]
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    source: Floats = moved.astype(np.float32)
    if scale < 0.9:  # or details too small for the frame would remain as noise
        blur = 0.5 * float(np.sqrt(1 / scale**2 - 1))
        source = cv2.GaussianBlur(source, (0, 0), blur).astype(np.float32)
    second = cv2.warpAffine(
        source, cut, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    part = np.s_[top : top + high, left : left + wide]
    return _Laid(frame[part], second.astype(np.float32), inside[part].astype(np.bool_), left, top)


def _fit_correction(laid: _Laid) -> tuple[Matrix, float] | None:
    """Return the affine map of the frame that corrects the places, and what it leaves over.

    Return ``None`` if too few parts show where they belong.
    """
    first, second = (extract_details(compute_luma(one)) for one in (laid.first, laid.second))
    found = correlate(first, second, reach=_REACH, window=_WINDOW, noise=4.0)
    told = laid.inside[CELL // 2 :: CELL, CELL // 2 :: CELL] & (found.best > _AGREEING)
    told &= found.first_detail > _DETAIL
    rows, columns = np.nonzero(told)
    if len(rows) < _FEWEST:
        return None
    places = np.stack([columns, rows], axis=1) * float(CELL) + (CELL - 1) / 2
    shifts, trust = found.shifts[told].astype(np.float64), found.best[told].astype(np.float64)
    centre = places.mean(axis=0)
    inputs = np.column_stack([places - centre, np.ones(len(places))])
    # A little shrinkage: few places on a line must not turn or squeeze the picture.
    ridge = np.diag([0.4 * len(places), 0.4 * len(places), 1e-3])
    weights = trust
    for _ in range(4):
        weighted = inputs * weights[:, None]
        fitted = np.linalg.solve(weighted.T @ inputs + ridge, weighted.T @ shifts)
        missed = np.hypot(*(shifts - inputs @ fitted).T)
        weights = trust / (1 + missed**2)
    misfit = float(np.sqrt(np.average(np.minimum(missed, 4.0) ** 2, weights=trust)))
    matrix = np.eye(2, 3)
    matrix[:, :2] += fitted[:2].T
    centre = centre + np.array([laid.left, laid.top])
    matrix[:, 2] = fitted[2] - fitted[:2].T @ centre
    return matrix, misfit


def _invert(matrix: Matrix) -> Matrix:
    inverted: Matrix = cv2.invertAffineTransform(matrix).astype(np.float64)
    return inverted


def _compose(after: Matrix, before: Matrix) -> Matrix:
    """Return the affine map that applies ``before``, then ``after``."""
    composed = after[:, :2] @ before
    composed[:, 2] += after[:, 2]
    return composed
