"""The part of a picture in which a copy shows something else, such as a caption or a logo.

Imports no Django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.engine.matching.closer_look import compare_details, score_suspect
from django_visualsnoop.engine.matching.correlation import CELL, average_cells, smooth_cells
from django_visualsnoop.engine.matching.difference import match_tones
from django_visualsnoop.engine.matching.overlay import Placed, fit_parts
from django_visualsnoop.engine.matching.registration import Registration, compute_luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.common.edits import Tone
    from django_visualsnoop.engine.matching.plain_parts import PixelBox

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]
    Matrix = NDArray[np.float64]

#: The shortest side of an overlap that says something, in pixels.
_SHORTEST = 24
#: So many pixels at each edge of what both show are left out: half of this.
_EDGE = 9
#: Tones that differ by this many levels in a neighbourhood of so many cells are another thing.
_LEVELS, _WINDOW = 25.0, 3
#: Cells are one part if they are this close; a part has at least so many cells, or this share.
_CLOSE, _FEWEST_CELLS, _SMALLEST = 5, 8, 0.0015
#: A part counts if it is at least this share of the largest one.
_COUNTS = 0.1
#: If more differs than this, the pictures do not show the same.
_LARGEST = 0.6
#: Pixels that differ by this many levels belong to what was drawn.
_DRAWN = 24.0
#: Letters and logos have few colours.
_COLOURS = 4
#: Differences that ``closer_look`` takes for none count if they look drawn in one of the pictures
#: by at least this much, by whether tones and whether details differ.
_LEAST = {(True, True): 0.15, (False, True): 2.0, (True, False): 1.2}
#: From this median difference of levels on, a picture is lighter or darker.
_LIGHTER = 5.0
#: Grey pictures have less colour than this on average, in levels; others have more.
_GREY, _COLOURED = 2.0, 5.0


class Overlay(NamedTuple):
    """Both pictures in one frame, cut to what both show."""

    laid: Registration
    #: Whether the frame is that of the first picture.
    is_first: bool
    #: The place of the cut in the frame, in pixels.
    left: int
    top: int


class Change(NamedTuple):
    """A part in which two pictures differ."""

    #: In pixels of the frame.
    box: PixelBox
    #: Positive if what differs looks drawn in the second picture rather than in the first.
    evidence: float


def lay_over(
    first: Pixels, second: Pixels, matrix: Matrix, first_box: PixelBox, second_box: PixelBox
) -> Overlay | None:
    """Return both pictures in the frame of the one with less detail; ``None`` without an overlap.

    Args:
        first, second: height x width x 3, RGB, uint8.
        matrix: 2 x 3: from pixels of the first to pixels of the second.
        first_box, second_box: the parts that count.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    is_first = scale > 1
    if is_first:
        first, second, first_box, second_box = second, first, second_box, first_box
        matrix = cv2.invertAffineTransform(matrix).astype(np.float64)
        scale = 1 / scale
    height, width = second.shape[:2]
    there = cv2.warpAffine(
        _fill(first, first_box), matrix, (width, height), flags=cv2.INTER_NEAREST
    )
    inside = cv2.bitwise_and(there, _fill(second, second_box))
    # Beside its edge, a picture is blurred with the frame around it.
    inside = cv2.erode(np.pad(inside, 1), np.ones((_EDGE, _EDGE), np.uint8))[1:-1, 1:-1]
    left, top, wide, high = cv2.boundingRect(inside)
    wide, high = wide - wide % (2 * CELL), high - high % (2 * CELL)
    if min(wide, high) < _SHORTEST:
        return None
    source = first.astype(np.float32)
    if scale < 0.9:  # or details too small for the frame would remain as noise
        blur = 0.5 * float(np.sqrt(1 / scale**2 - 1))
        source = cv2.GaussianBlur(source, (0, 0), blur).astype(np.float32)
    moved = cv2.warpAffine(
        source,
        matrix - [[0, 0, left], [0, 0, top]],
        (wide, high),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    part = np.s_[top : top + high, left : left + wide]
    placed = Placed(
        np.ascontiguousarray(second[part].astype(np.float32)),
        np.clip(moved, 0, 255).astype(np.float32),
        inside[part].astype(np.bool_),
        (float(second.shape[0] * second.shape[1]), scale**2 * first.shape[0] * first.shape[1]),
        scale,
    )
    laid = fit_parts(placed)
    if not is_first:  # the frame is the second picture
        laid = laid._replace(first=laid.second, second=laid.first)
    return Overlay(laid, is_first, left, top)


def _fill(pixels: Pixels, box: PixelBox) -> NDArray[np.uint8]:
    left, top, right, bottom = box
    filled = np.zeros(pixels.shape[:2], np.uint8)
    filled[top:bottom, left:right] = 1
    return filled


def find_change(overlay: Overlay) -> Change | None:
    """Return where the pictures differ; ``None`` if nothing but tones and sharpness does."""
    laid = overlay.laid
    inside = average_cells(laid.inside.astype(np.float32)) > 1 - 1e-3
    cells = int(inside.sum())
    tones = match_tones(laid)
    missed = np.abs(tones.first - tones.second).mean(axis=2).astype(np.float32)
    in_tones = inside & (smooth_cells(average_cells(missed), _WINDOW) > _LEVELS)
    in_details = np.zeros_like(inside)
    score = 0.0
    compared = compare_details(laid)
    if compared is not None:
        in_details = compared.find_suspect()
        score = score_suspect(compared, in_details, laid.misfit)
    if (in_tones | in_details).sum() > _LARGEST * cells:
        return None
    in_tones, in_details = _keep_parts(in_tones, cells), _keep_parts(in_details, cells)
    flags = in_tones | in_details
    if not flags.any():
        return None
    drawn = (missed > _DRAWN) & np.kron(flags, np.ones((CELL, CELL), np.bool_)) & laid.inside
    evidence = _compare_outlines(laid, drawn) + _compare_colours(laid, drawn)
    if score >= 0 and abs(evidence) < _LEAST[bool(in_tones.any()), bool(in_details.any())]:
        return None
    left, top, wide, high = (CELL * side for side in cv2.boundingRect(flags.astype(np.uint8)))
    left, top = left + overlay.left, top + overlay.top
    return Change((left, top, left + wide, top + high), evidence)


def _keep_parts(suspect: Flags, cells: int) -> Flags:
    """Return the suspect cells in parts that are large enough."""
    kernel = np.ones((_CLOSE, _CLOSE), np.uint8)
    joined = cv2.morphologyEx(suspect.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    sizes = np.bincount(labels[suspect].astype(np.intp), minlength=count)
    sizes[0] = 0
    smallest = max(_FEWEST_CELLS, _SMALLEST * cells, _COUNTS * sizes.max())
    kept: Flags = suspect & (sizes >= smallest)[labels]
    return kept


def _compare_outlines(laid: Registration, drawn: Flags) -> float:
    """Return how much sharper the outlines of an area are in the second picture."""
    # Here and there, what was drawn has the tone of what it covers.
    kernel = np.ones((_CLOSE, _CLOSE), np.uint8)
    flags = cv2.morphologyEx(drawn.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    kernel = np.ones((3, 3), np.uint8)
    outline = cv2.dilate(flags, kernel) != cv2.erode(flags, kernel)
    if not outline.any():
        return 0.0
    sharpness = []
    for pixels in (laid.first, laid.second):
        across = cv2.Sobel(pixels, cv2.CV_32F, 1, 0)
        down = cv2.Sobel(pixels, cv2.CV_32F, 0, 1)
        edges = np.hypot(across, down)[outline].mean()
        sharpness.append(float(edges) / (float(pixels[laid.inside].std()) + 3))
    return float(np.log((sharpness[1] + 1e-3) / (sharpness[0] + 1e-3)))


def _compare_colours(laid: Registration, drawn: Flags) -> float:
    """Return how much fewer colours an area has in the second picture: half of a logarithm."""
    shares = []
    for pixels in (laid.first, laid.second):
        steps = pixels[drawn].astype(np.uint8) >> 4
        counts = np.bincount(steps @ np.array([256, 16, 1]), minlength=_COLOURS)
        shares.append(float(np.sort(counts)[-_COLOURS:].sum()) + 1)
    return 0.5 * float(np.log(shares[1] / shares[0]))


def compare_tones(laid: Registration) -> tuple[Tone, Tone]:
    """Return how the second picture looks beside the first, and the first beside the second."""
    means = [_measure_colour(one[laid.inside]) for one in (laid.first, laid.second)]
    if means[0] > _COLOURED and means[1] < _GREY:
        return "grey", ""
    if means[1] > _COLOURED and means[0] < _GREY:
        return "", "grey"
    step = float(np.median((compute_luma(laid.second) - compute_luma(laid.first))[laid.inside]))
    if abs(step) < _LIGHTER:
        return "", ""
    return ("lighter", "darker") if step > 0 else ("darker", "lighter")


def _measure_colour(pixels: Floats) -> float:
    return float((pixels.max(axis=1) - pixels.min(axis=1)).mean())
