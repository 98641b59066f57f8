"""Find the affine map that takes one picture to another, to about a pixel. Imports no Django.

Maps are 2 x 3, between places in shares of width and height, so that they hold at every size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.engine.descriptors.describe import build_stored_probes
from django_visualsnoop.engine.descriptors.dihedral import TURNS, turn_pixels
from django_visualsnoop.engine.matching.compare import compare
from django_visualsnoop.engine.matching.overlay import find_map
from django_visualsnoop.engine.matching.registration import compute_luma, scale_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.overlay import FullFeatures

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Matrix = NDArray[np.float64]

#: Fewer agreeing features may agree by chance.
_FEWEST = 5
#: Without features: pictures of about the same shape are one if they correlate this much, and are
#: not of one colour.
_SAME_SHAPE, _ALIKE, _CONTRAST = 0.05, 0.95, 4.0
#: The longer side at which a map is refined, in pixels, and the blur that makes it converge.
_SIDE, _BLUR = 192, 5
#: A refined map moves no corner further than this, as a share of the longer side.
_FURTHEST = 0.1
_ROUNDS = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4
#: Maps that shrink or enlarge a picture more than this, in shares, are none of a copy.
_LARGEST_SCALE = 40.0


class Subject(NamedTuple):
    """One of two pictures to compare."""

    descriptor: Descriptor
    #: Height x width x 3, RGB, uint8: the thumbnail, or the decoded file.
    pixels: Pixels
    #: Features of the decoded file; ``None`` if it was not read.
    features: FullFeatures | None


def find_affine_map(first: Subject, second: Subject) -> Matrix | None:
    """Return the map from the first picture to the second; ``None`` if none is found."""
    found = _find_by_files(first, second)
    if found is not None and _is_plausible(found):
        return found
    found = _find_by_descriptors(first, second)
    if found is None:
        found = _find_whole(first.pixels, second.pixels)
    if found is None or not _is_plausible(found):
        return None
    return _refine(first.pixels, second.pixels, found)


def invert(matrix: Matrix) -> Matrix:
    """Return the inverse of a map."""
    inverted: Matrix = cv2.invertAffineTransform(matrix).astype(np.float64)
    return inverted


def apply(matrix: Matrix, points: Matrix) -> Matrix:
    """Return where a map takes points: n x 2."""
    taken: Matrix = points @ matrix[:, :2].T + matrix[:, 2]
    return taken


def convert_to_pixels(matrix: Matrix, source: tuple[int, int], target: tuple[int, int]) -> Matrix:
    """Return a map between pixels; pixel 0 has its centre at 0.5.

    Args:
        matrix: between shares.
        source, target: width and height of the pictures.
    """
    scaled = np.empty((2, 3))
    scaled[:, :2] = matrix[:, :2] * np.array(target)[:, None] / np.array(source)
    scaled[:, 2] = matrix[:, 2] * target + scaled[:, :2] @ (0.5, 0.5) - 0.5
    return scaled


def convert_to_shares(matrix: Matrix, source: tuple[int, int], target: tuple[int, int]) -> Matrix:
    """Return a map between shares; see ``convert_to_pixels``."""
    scaled = np.empty((2, 3))
    scaled[:, :2] = matrix[:, :2] * np.array(source) / np.array(target)[:, None]
    scaled[:, 2] = (matrix[:, 2] - matrix[:, :2] @ (0.5, 0.5) + 0.5) / target
    return scaled


def get_size(pixels: Pixels | Floats) -> tuple[int, int]:
    """Return width and height."""
    return pixels.shape[1], pixels.shape[0]


def _find_by_files(first: Subject, second: Subject) -> Matrix | None:
    if first.features is None or second.features is None:
        return None
    sizes = get_size(first.pixels), get_size(second.pixels)
    found = find_map(first.features, second.features, sizes[0][0])
    if found is None:
        return None
    # Only what both show says where it belongs.
    across, down = np.meshgrid(*(np.linspace(0, side, 12) for side in sizes[0]))
    places = np.stack([across.ravel(), down.ravel(), np.ones(across.size)], axis=1)
    taken = places @ found.matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        taken = taken[:, :2] / taken[:, 2:]
    inside = ((taken >= 0) & (taken <= sizes[1])).all(axis=1)
    if np.count_nonzero(inside) < 6:
        return None
    fitted, *_ = np.linalg.lstsq(places[inside], taken[inside], rcond=None)
    return convert_to_shares(fitted.T, *sizes)


def _find_by_descriptors(first: Subject, second: Subject) -> Matrix | None:
    found = compare(build_stored_probes(first.descriptor), second.descriptor)
    if found.alignment.inliers < _FEWEST:
        return None
    sizes = get_size(first.pixels), get_size(second.pixels)
    matrix = convert_to_shares(scale_map(first.pixels, second.pixels, found.alignment), *sizes)
    if found.picture % 2 == 0:
        return matrix
    # Every second of the probed pictures is the mirror image of the one before, in a square.
    return _compose(matrix, np.array([[-1.0, 0, max(sizes[0]) / sizes[0][0]], [0, 1, 0]]))


_MIRROR = np.array([[-1.0, 0, 1], [0, 1, 0]])
_QUARTER = np.array([[0.0, 1, 0], [-1, 0, 1]])


def _find_whole(first: Pixels, second: Pixels) -> Matrix | None:
    """Return the turn by which all of one picture looks like all of the other."""
    wide, high = get_size(second)
    wanted = _normalise(second)
    best, closest = None, _ALIKE
    for turn, (quarters, mirrored) in enumerate(TURNS):
        turned = turn_pixels(first, turn)
        if abs(np.log(turned.shape[1] * high / (turned.shape[0] * wide))) > _SAME_SHAPE:
            continue
        resized = cv2.resize(turned, (wide, high), interpolation=cv2.INTER_AREA)
        agreeing = float((_normalise(resized.astype(np.uint8)) * wanted).mean())
        if agreeing > closest:
            closest = agreeing
            best = _MIRROR if mirrored else np.eye(2, 3)
            for _ in range(quarters):
                best = _compose(_QUARTER, best)
    return best


def _normalise(pixels: Pixels) -> Floats:
    luma = compute_luma(pixels.astype(np.float32))
    return (luma - luma.mean()) / max(_CONTRAST, float(luma.std()))


def _compose(after: Matrix, before: Matrix) -> Matrix:
    composed = after[:, :2] @ before
    composed[:, 2] += after[:, 2]
    return composed


def _is_plausible(matrix: Matrix) -> bool:
    if not np.isfinite(matrix).all():
        return False
    sizes = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return bool(sizes[1] > 1 / _LARGEST_SCALE and sizes[0] < _LARGEST_SCALE)


def _refine(first: Pixels, second: Pixels, matrix: Matrix) -> Matrix:
    """Return a map under which the pictures correlate most (G. Evangelidis, E. Psarakis, 2008)."""
    small = [_shrink(first), _shrink(second)]
    sizes = get_size(small[0]), get_size(small[1])
    to_second = convert_to_pixels(matrix, *sizes)
    swapped = abs(np.linalg.det(to_second[:, :2])) > 1
    if swapped:  # the picture with less detail is the template
        small, sizes, to_second = small[::-1], sizes[::-1], invert(to_second)
    moved, template = small
    try:
        _, found = cv2.findTransformECC(
            template,
            moved,
            invert(to_second).astype(np.float32),
            cv2.MOTION_AFFINE,
            _ROUNDS,
            np.ones(moved.shape, np.uint8),
            _BLUR,
        )
    except cv2.error:  # it does not converge
        return matrix
    refined = convert_to_shares(invert(np.asarray(found, np.float64)), *sizes)
    if swapped:
        refined = invert(refined)
    if not _is_plausible(refined):
        return matrix
    corners = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    off = np.abs(apply(refined, corners) - apply(matrix, corners)).max()
    reach = max(1.0, float(np.abs(matrix[:, :2]).max()))
    return refined if off <= _FURTHEST * reach else matrix


def _shrink(pixels: Pixels) -> Floats:
    luma = compute_luma(pixels.astype(np.float32))
    factor = _SIDE / max(luma.shape)
    if factor >= 1:
        return luma
    size = max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor))
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
