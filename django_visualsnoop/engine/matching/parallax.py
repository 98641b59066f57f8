"""Tell two shots of a scene by what has moved in it. Imports no Django.

A projective map and a smooth bend take a picture to its copies. Between two shots, near things move
further than far ones (parallax), and so may leaves, people and garments. So this finds small blocks
of one picture in the other, to some hundredths of a pixel (B. D. Lucas, T. Kanade, An iterative
image registration technique, IJCAI 1981), and fits a map and a bend to their shifts. Noise and
compression shift each block at random. Where something has moved, neighbouring blocks remain off in
the same direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.engine.matching.registration import compute_luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.overlay import Placed

    Pixels = NDArray[np.uint8]
    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

#: The side of a block, and the distance between blocks, in pixels. They hardly overlap, or
#: neighbours would share noise.
_SIDE, _APART = 15, 12
#: A block is this far from the edge of what both pictures show, at least: features fit to less.
_MARGIN = _SIDE // 2 + 3
#: Tones that change over more than some of these pixels are removed; contrast is made even over as
#: many pixels as the second says, so that light and contrast do not matter.
_TONES, _CONTRAST = 4.0, 8.0
#: The standard deviation of even contrast, in levels, and the variance that is noise.
_LEVELS, _NOISE = 40.0, 4.0
#: Blocks with a standard deviation below this are flat, in levels.
_FLAT = 4.0
#: Blocks with less change than this in any direction, in levels per pixel, slide along an edge.
_TEXTURE = 3.0
#: ``cv2.cornerMinEigenVal`` has this unit: the square of levels per pixel.
_EIGENVALUE = 4 / 255**2
#: Blocks are found again on so many levels, half the size each.
_PYRAMID = 2
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.005)
#: A block is found if it correlates by this, and if the way back ends within so many pixels.
_AGREEING, _BACK = 0.8, 0.2
#: Blocks further than this from a map do not support it, in pixels.
_TOLERANCE = 1.0
#: This many must support it, at least.
_FEWEST_AGREEING = 8
#: Bends are polynomials of this degree; the fit is repeated with less weight for what it misses by
#: more than usual, which is at least so many pixels.
_DEGREE, _ROUNDS, _USUAL = 6, 10, 0.05
#: Blocks that remain further off than this, in pixels, count as if they did not.
_FURTHEST = 2.0
#: This many blocks must be found, and this share of those with details, and as many neighbours.
_FEWEST, _LEAST_FOUND, _FEWEST_NEIGHBOURS = 60, 0.25, 30
#: Two shots have neighbours that moved together by this many pixels, and by this many standard
#: errors. Set by hand, from the figures of ``benchmarks/parallax.py``.
_MOVED, CERTAIN = 0.3, 4.0


class Parallax(NamedTuple):
    """How far neighbouring parts of two pictures moved together."""

    #: The root of the mean product of what neighbours are off by, in pixels.
    moved: float
    #: That product, in standard errors.
    certainty: float
    #: The blocks that were found.
    blocks: int

    @property
    def is_clear(self) -> bool:
        """Whether these are two shots."""
        return self.moved >= _MOVED and self.certainty >= CERTAIN


class Blocks(NamedTuple):
    """Blocks of one picture that were found in another one."""

    #: n x 2: column and row in the grid of blocks.
    cells: NDArray[np.intp]
    #: n x 2: x and y of the middle of each, in pixels, in either picture.
    places: Floats
    found: Floats
    #: 0 to 1: the share that was found.
    share: float


def measure_parallax(placed: Placed) -> Parallax | None:
    """Return how far parts of two pictures moved against each other.

    Args:
        placed: one picture on the other, by a map only; see ``overlay.place_over``.

    Returns:
        ``None`` if too few blocks have details, or too few of these are found.
    """
    blocks = find_blocks(compute_luma(placed.frame), compute_luma(placed.moved), placed.inside)
    if blocks is None or len(blocks.places) < _FEWEST or blocks.share < _LEAST_FOUND:
        return None
    left = _remove_smooth(blocks, placed.inside.shape)
    return None if left is None else _compare_neighbours(blocks.cells, left)


def find_blocks(first: Floats, second: Floats, inside: Flags) -> Blocks | None:
    """Return the blocks of one picture that the other one has nearby.

    Args:
        first, second: height x width, luma, 0 to 255.
        inside: height x width: where both show something.

    Returns:
        ``None`` if none has details in all directions.
    """
    height, width = inside.shape
    framed = np.pad(inside.astype(np.uint8), 1)
    deep = cv2.erode(framed, np.ones((2 * _MARGIN + 1,) * 2, np.uint8))[1:-1, 1:-1] > 0
    # The erosion takes the edge of the array for no edge.
    deep[:_MARGIN] = deep[-_MARGIN:] = deep[:, :_MARGIN] = deep[:, -_MARGIN:] = False
    rows, columns = np.mgrid[: height // _APART, : width // _APART]
    down, across = (along * _APART + _APART // 2 for along in (rows, columns))
    one, other = _make_even(first), _make_even(second)
    detail = np.minimum(one.detail, other.detail)[down, across]
    texture = np.minimum(
        *(cv2.cornerMinEigenVal(even.pixels, _SIDE, ksize=3)[down, across] for even in (one, other))
    )
    told = deep[down, across] & (detail > _FLAT) & (texture > _EIGENVALUE * _TEXTURE**2)
    if not told.any():
        return None
    places = np.stack([across[told], down[told]], axis=1).astype(np.float32)
    found, is_back = _find_again(one.pixels, other.pixels, places)
    agreeing = _correlate_blocks(_cut_blocks(one.pixels, places), _cut_blocks(other.pixels, found))
    kept = is_back & (agreeing > _AGREEING)
    cells = np.stack([columns[told], rows[told]], axis=1)
    return Blocks(cells[kept], places[kept], found[kept], float(kept.mean()))


class _Even(NamedTuple):
    """A picture with the same contrast everywhere, and the contrast that it had."""

    pixels: Pixels
    #: A standard deviation, in levels.
    detail: Floats


def _make_even(luma: Floats) -> _Even:
    details = luma - cv2.GaussianBlur(luma, (0, 0), _TONES)
    variance = cv2.GaussianBlur(np.square(details), (0, 0), _CONTRAST).astype(np.float32)
    even = details * (np.float32(_LEVELS) / np.sqrt(variance + np.float32(_NOISE)))
    pixels = np.clip(np.rint(even + np.float32(128)), 0, 255).astype(np.uint8)
    return _Even(pixels, np.sqrt(variance))


def _find_again(first: Pixels, second: Pixels, places: Floats) -> tuple[Floats, Flags]:
    """Return where blocks are in the second picture, and whether the way back ends at the start."""

    def follow(one: Pixels, other: Pixels, start: Floats) -> tuple[Floats, Flags]:
        ends, states, _ = cv2.calcOpticalFlowPyrLK(
            one, other, start[:, None], np.empty_like(start[:, None]),
            winSize=(_SIDE, _SIDE), maxLevel=_PYRAMID, criteria=_STEPS,
        )  # fmt: skip
        return ends[:, 0].astype(np.float32), states[:, 0] > 0

    found, is_found = follow(first, second, places)
    back, is_back = follow(second, first, found)
    near = np.hypot(*(back - places).T) < _BACK
    return found, is_found & is_back & near


def _cut_blocks(pixels: Pixels, places: Floats) -> Floats:
    """Return the block around each place: n x the number of its pixels."""
    half = _SIDE // 2
    down, across = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    together = 32_000 // _SIDE  # OpenCV's limit of the height of what it maps, in blocks
    cut = [
        cv2.remap(
            pixels,
            (some[:, 0, None, None] + across).reshape(-1, _SIDE),
            (some[:, 1, None, None] + down).reshape(-1, _SIDE),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).reshape(len(some), -1)
        for some in np.split(places, range(together, len(places), together))
    ]
    return np.concatenate(cut).astype(np.float32)


def _correlate_blocks(first: Floats, second: Floats) -> Floats:
    one, other = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    energy = np.square(one).sum(axis=1) * np.square(other).sum(axis=1)
    found: Floats = (one * other).sum(axis=1) / np.sqrt(energy + np.float32(1e-3))
    return found


def _remove_smooth(blocks: Blocks, shape: tuple[int, ...]) -> Doubles | None:
    """Return what is left of the shifts, in pixels, without a map and a bend: n x 2."""
    matrix, agreeing = cv2.findHomography(
        blocks.places, blocks.found, cv2.USAC_MAGSAC, _TOLERANCE, maxIters=1000, confidence=0.999
    )
    if matrix is None or int(agreeing.sum()) < _FEWEST_AGREEING:
        return None
    mapped = cv2.perspectiveTransform(blocks.places[:, None], matrix)[:, 0]
    shifts = (blocks.found - mapped).astype(np.float64)
    across, down = (2 * blocks.places.astype(np.float64) / [shape[1], shape[0]] - 1).T
    bend = np.stack(
        [
            across**power * down**other
            for power in range(_DEGREE + 1)
            for other in range(_DEGREE + 1 - power)
        ],
        axis=1,
    )
    # For blocks in a row, which do not determine all terms.
    ridge = 1e-9 * len(shifts) * np.eye(bend.shape[1])
    left = shifts
    weights = np.ones(len(shifts))
    for _ in range(_ROUNDS):
        weighted = (bend * weights[:, None]).T
        fitted = np.linalg.solve(weighted @ bend + ridge, weighted @ shifts)
        left = shifts - bend @ fitted
        missed = np.hypot(*left.T)
        # 1.25 x the median: about the standard deviation in each direction, of normal errors.
        usual = max(_USUAL, 1.25 * float(np.median(missed)))
        weights = 1 / (1 + np.square(missed / (2 * usual)))
    return left


def _compare_neighbours(cells: NDArray[np.intp], left: Doubles) -> Parallax | None:
    """Return how far neighbouring blocks are off together."""
    missed = np.maximum(np.hypot(*left.T), 1e-9)
    left = left * np.minimum(1, _FURTHEST / missed)[:, None]
    columns, rows = cells.max(axis=0) + 2
    grid = np.full((rows, columns, 2), np.nan)
    grid[cells[:, 1], cells[:, 0]] = left
    products = np.concatenate(
        [
            (grid[:, :-1] * grid[:, 1:]).sum(axis=2).ravel(),
            (grid[:-1] * grid[1:]).sum(axis=2).ravel(),
        ]
    )
    products = products[~np.isnan(products)]
    if len(products) < _FEWEST_NEIGHBOURS:
        return None
    mean = float(products.mean())
    error = float(products.std()) / len(products) ** 0.5
    return Parallax(max(0.0, mean) ** 0.5, mean / max(error, 1e-9), len(left))
