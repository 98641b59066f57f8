"""The plain way to compare two pictures, one pair and one step at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from django_visualsnoop.engine.matching.correlation import (
    CELL,
    Correlation,
    average_cells,
    smooth_cells,
)
from django_visualsnoop.engine.matching.nearest import Matches
from django_visualsnoop.engine.matching.verify import (
    NO_ALIGNMENT,
    Alignment,
    _align,
    _ProposedTransform,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.overlap import Overlap

    Floats = NDArray[np.float32]


def match_slowly(query: NDArray[np.uint64], stored: NDArray[np.uint64]) -> Matches:
    """Return the matches with one picture."""
    if min(len(query), len(stored)) < 2:
        return Matches(*np.empty((4, 0), dtype=np.intp))
    distances = np.bitwise_count(query[:, None] ^ stored[None, :]).astype(int)
    right = distances.argmin(axis=1)
    nearest, second = np.partition(distances, 1, axis=1)[:, :2].T
    left = np.flatnonzero((nearest <= 18) & (nearest <= 0.85 * second))
    left = left[distances[:, right[left]].argmin(axis=0) == left]
    return Matches(np.zeros(len(left), dtype=np.intp), left, right[left], nearest[left])


def verify_slowly(query: Descriptor, stored: Descriptor) -> Alignment:
    """Return the alignment by comparing each two matches."""
    matches = match_slowly(query.codes, stored.codes)
    start = query.places[matches.left].astype(np.float32)
    end = stored.places[matches.right].astype(np.float32)
    proposed = _propose_slowly(start, end) if len(start) else None
    if proposed is None:
        return NO_ALIGNMENT._replace(matches=len(start))
    return _align(start, end, matches, proposed)


def _propose_slowly(start: Floats, end: Floats) -> _ProposedTransform | None:
    turns = end[:, 3] - start[:, 3]
    octaves = (end[:, 2] - start[:, 2]) / 16
    angles, scales = turns * np.float32(2 * math.pi / 256), 2**octaves
    cosines, sines = np.cos(angles) * scales, np.sin(angles) * scales
    x, y = (start[None, :, axis] - start[:, None, axis] for axis in (0, 1))
    missed_x, missed_y = (end[None, :, axis] - end[:, None, axis] for axis in (0, 1))
    missed_x -= cosines[:, None] * x - sines[:, None] * y
    missed_y -= sines[:, None] * x + cosines[:, None] * y
    supports = missed_x**2 + missed_y**2 <= (6.7 * np.maximum(1, scales)[:, None]) ** 2
    supports &= np.abs(octaves[:, None] - octaves[None, :]) <= math.log2(1.7)
    supports &= np.abs((turns[:, None] - turns[None, :] + 128) % 256 - 128) <= 24
    agreeing = supports.sum(axis=1)
    best = int(agreeing.argmax())
    if agreeing[best] < 3:
        return None
    cosine, sine = cosines[best], sines[best]
    return _ProposedTransform(best, np.array([[cosine, -sine], [sine, cosine]]), supports[best])


def collect_signs_slowly(
    cosine: float, match: Alignment, overlap: Overlap, features: int
) -> list[float]:
    """Return the first 17 inputs of the calibration, for one pair."""
    proofs = math.log1p(max(0, match.inliers - 2))
    proven = min(1.0, proofs / 2)
    less, more = sorted((overlap.stored, overlap.query))
    told = min(1.0, max(0, match.inliers - 2) / 12)
    return [
        1.0,
        max(0.0, cosine),
        max(0.0, cosine - 0.9) * math.exp(-features / 24),
        proven,
        proven * max(0.0, 1.0 - match.distance / 16),
        proven * min(1.0, match.spread / 16),
        proven * match.inliers / max(8, match.matches),
        proven * overlap.share,
        proven * overlap.stored,
        proven * overlap.query,
        proven * max(0.0, more - 0.5),
        proven * max(0.0, less - 0.7),
        proofs * max(0.0, less - 0.9),
        proven * overlap.whole * max(0.0, cosine - 0.5),
        proven * (1.0 - overlap.whole) * more,
        proven * (1.0 - less) * min(1.0, match.distance / 16),
        told * (1.0 - match.axial),
    ]


def correlate_slowly(
    first: Floats, second: Floats, *, reach: int, window: int, noise: float
) -> Correlation:
    """Return the correlation by trying one shift after the other."""
    height, width = first.shape
    padded = cv2.copyMakeBorder(second, reach, reach, reach, reach, cv2.BORDER_REFLECT_101).astype(
        np.float32
    )
    mean = smooth_cells(average_cells(first), window)
    own = smooth_cells(average_cells(first * first), window) - mean * mean
    own = np.maximum(own, 0) + np.float32(noise)
    best, shifts = np.full(mean.shape, -2.0, np.float32), np.zeros((*mean.shape, 2), np.float32)
    along = range(-reach, reach + 1)
    for across, down in sorted(
        ((across, down) for across in along for down in along),
        key=lambda shift: shift[0] ** 2 + shift[1] ** 2,
    ):
        moved = padded[reach + down :, reach + across :][:height, :width]
        # A cell at the edge is that of the padded picture.
        other, squares = (
            smooth_cells(
                cv2.blur(values, (CELL, CELL), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)[
                    reach + down : reach + down + height : CELL,
                    reach + across : reach + across + width : CELL,
                ].astype(np.float32),
                window,
            )
            for values in (padded, padded * padded)
        )
        variance = np.maximum(squares - other * other, 0)
        found = smooth_cells(average_cells(first * moved), window) - mean * other
        found /= np.sqrt(own * (variance + np.float32(noise)))
        if across == down == 0:
            centre, detail = found.copy(), np.sqrt(variance)
        found -= np.float32(0.01 * (abs(across) + abs(down)))
        better = found > best
        best[better] = found[better]
        shifts[better] = across, down
    return Correlation(best, centre, shifts, np.sqrt(own - np.float32(noise)), detail)
