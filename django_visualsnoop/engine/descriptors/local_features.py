"""SIFT features of a picture as codes of 64 bits, words and places. Imports no Django.

The picture is scaled to a fixed size for SIFT (D. Lowe, IJCV 2004). Each part of it
contributes its strongest features, so that a caption cannot take them all. Their
descriptors become RootSIFT (R. Arandjelović, A. Zisserman, CVPR 2012), projected
to 64 values. The signs of these are the code; a product quantiser (H. Jégou,
M. Douze, C. Schmid, TPAMI 2011) of the two halves gives the word.

The first half of the values is symmetric: it stays the same if the picture is
mirrored. The second half is antisymmetric: it changes its sign. So the
features of the mirrored picture follow without its pixels.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import MAX_FEATURES, SIDE
from django_visualsnoop.engine.descriptors.matmul import matmul
from django_visualsnoop.engine.descriptors.weights import load_learned, load_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.weights import Centres
    from django_visualsnoop.engine.images.decode import Pixels

    Floats = NDArray[np.float32]

#: A picture with fewer features shows too little: only a near-identical one is its copy; see
#: ``calibration``.
FEW = 5
#: Number of words of a half.
HALF_WORDS = 1024
WORDS = HALF_WORDS**2

#: Differences of Gaussians below this share of the full range are no features. This is half of
#: SIFT's usual value, for pictures of little contrast.
_CONTRAST = 0.02
_GRID = 4
#: Most features of a query: twice the stored ones, to find each of nine pictures in a query.
#: The index takes no more.
QUERY_FEATURES = 2 * MAX_FEATURES
#: Number of near words, per half of the words, that a query reads.
_NEAR = 2
#: Bytes; glibc then keeps up to twice as many.
_FREED = 8 << 20

#: Sources of the bins of SIFT's descriptor (4 rows x 4 columns x 8 directions) of the mirrored
#: picture: its patch is upside down, since the feature's own direction points right.
MIRRORED_BINS = np.arange(128).reshape(4, 4, 8)[::-1][..., -np.arange(8) % 8].ravel()
#: Likewise of the negative: every direction is reversed, including the feature's own.
NEGATIVE_BINS = np.arange(128).reshape(4, 4, 8)[::-1, ::-1].ravel()

#: The bits of a word and of a code that change when the picture is mirrored.
MIRRORED_WORD = HALF_WORDS // 2
MIRRORED_CODE = 0xFFFFFFFF00000000


class LocalFeatures(NamedTuple):
    codes: NDArray[np.uint64]
    words: NDArray[np.uint32]
    places: NDArray[np.uint8]
    #: n x 4: the nearest words of each feature, nearest first.
    near_words: NDArray[np.uint32]


NO_FEATURES = LocalFeatures(
    np.empty(0, dtype=np.uint64),
    np.empty(0, dtype=np.uint32),
    np.empty((0, 4), dtype=np.uint8),
    np.empty((0, _NEAR**2), dtype=np.uint32),
)


def compute_local_features(pixels: Pixels) -> LocalFeatures:
    """Return the features of a picture; see ``Descriptor``.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    return _encode_features(*compute_sift(pixels))


def compute_query_features(pixels: Pixels) -> tuple[LocalFeatures, LocalFeatures]:
    """Return the features for a search for a picture, and those of its negative.

    The first are more than those stored, since a stored picture may share only a small part of the
    picture. The negative has its features at the same places; their directions, and so their
    patches, are turned by half.

    Args:
        pixels: height x width x 3, RGB, uint8.
    """
    places, descriptors = compute_sift(pixels, QUERY_FEATURES)
    turned = places[:MAX_FEATURES].copy()
    turned[:, 3] += 128  # modulo 256
    return _encode_features(places, descriptors), _encode_features(
        turned, descriptors[:MAX_FEATURES, NEGATIVE_BINS]
    )


def _encode_features(places: NDArray[np.uint8], descriptors: Floats) -> LocalFeatures:
    values = project(descriptors)
    near = find_near_words(values)
    return LocalFeatures(encode_signs(values), near[:, 0], places, near)


def compute_sift(pixels: Pixels, most: int = MAX_FEATURES) -> tuple[NDArray[np.uint8], Floats]:
    """Return the places (n x 4) and SIFT descriptors (n x 128) of at most ``most`` features."""
    _keep_memory()
    grey = _scale_to_side(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8))
    detector = cv2.SIFT.create(contrastThreshold=_CONTRAST)
    found = detector.detect(grey, None)
    strengths = np.fromiter(map(attrgetter("response"), found), np.float64, len(found))
    kept = _select_spread(np.asarray(cv2.KeyPoint.convert(found)), strengths, grey.shape, most)
    if not kept.size:
        return np.empty((0, 4), dtype=np.uint8), np.empty((0, 128), dtype=np.float32)
    # Only for the kept features, although this computes the scale space twice.
    keypoints, descriptors = detector.compute(grey, [found[place] for place in kept])
    values = np.array([(*one.pt, one.size, one.angle) for one in keypoints])
    places = np.empty((len(values), 4), dtype=np.uint8)
    places[:, :2] = np.clip(np.rint(values[:, :2]), 0, 255)
    places[:, 2] = np.clip(np.rint(16 * np.log2(np.maximum(1, values[:, 2]))), 0, 255)
    places[:, 3] = np.rint(values[:, 3] * (256 / 360)).astype(np.intp) % 256
    return places, np.asarray(descriptors, dtype=np.float32)


def project(descriptors: Floats) -> Floats:
    """Return the 64 values of each SIFT descriptor, as RootSIFT."""
    sums = np.maximum(descriptors.sum(axis=1, keepdims=True), np.float32(1e-6))
    model = load_learned()
    return matmul(np.sqrt(descriptors / sums) - model.local_mean, model.local_projection)


def encode_signs(values: Floats) -> NDArray[np.uint64]:
    """Return the signs of 64 values each; value k is bit k."""
    bits = np.packbits(values > 0, axis=1, bitorder="little")
    codes: NDArray[np.uint64] = bits.view("<u8").ravel().astype(np.uint64)
    return codes


def find_near_words(values: Floats) -> NDArray[np.uint32]:
    """Return the words nearest to 64 values each, nearest first: n x 4."""
    first_words, second_words = load_words()
    first, first_apart = _find_nearest(values[:, :32], first_words)
    second, second_apart = _find_nearest(values[:, 32:], second_words)
    words = first[:, :, None] * HALF_WORDS + second[:, None, :]
    apart = (first_apart[:, :, None] + second_apart[:, None, :]).reshape(len(values), _NEAR**2)
    order = np.argsort(apart, axis=1, kind="stable")
    return np.take_along_axis(words.reshape(len(values), _NEAR**2), order, axis=1).astype(np.uint32)


def mirror_features(
    codes: NDArray[np.uint64], words: NDArray[np.uint32], places: NDArray[np.uint8]
) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint8]]:
    """Return the features of the picture mirrored left to right."""
    turned = places.copy()
    turned[:, 0] = SIDE - np.minimum(SIDE, places[:, 0])
    turned[:, 3] = 128 - places[:, 3]  # modulo 256
    return codes ^ np.uint64(MIRRORED_CODE), mirror_words(words), turned


def mirror_words(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the words of the features of the picture mirrored left to right."""
    return words ^ np.uint32(MIRRORED_WORD)


def _scale_to_side(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    scaled: Pixels = cv2.resize(pixels, size, interpolation=how).astype(np.uint8, copy=False)
    return scaled


@cache
def _keep_memory() -> None:
    """Make the C library keep the next freed blocks for later ones.

    SIFT allocates some 9 MB and frees them, twice for every picture. The C library of most
    Linuxes returns freed memory to the system unless a larger block was freed before, such
    as after decoding a large picture. Fetching it again, page by page, takes a quarter
    of the time of ``compute_sift``.
    """
    np.empty(_FREED, dtype=np.uint8)


def _select_spread(
    places: NDArray[np.floating], strengths: NDArray[np.floating], shape: tuple[int, ...], most: int
) -> NDArray[np.intp]:
    """Return the strongest features of each cell of a grid in turn.

    Args:
        places: x and y of each feature.
        strengths: strength of each feature.
        shape: height and width of the picture.
        most: the largest number of features.
    """
    x, y = np.asarray(places, dtype=np.float64).reshape(-1, 2).T
    height, width = shape[:2]
    columns = np.clip(x * _GRID // width, 0, _GRID - 1)
    rows = np.clip(y * _GRID // height, 0, _GRID - 1)
    cells = (rows * _GRID + columns).astype(np.intp)
    order = np.lexsort((-strengths, cells))
    starts = np.searchsorted(cells[order], np.arange(_GRID**2))
    ranks = np.arange(len(order)) - starts[cells[order]]
    best = np.lexsort((-strengths[order], ranks))[:most]
    return order[best]


def _find_nearest(values: Floats, centres: Centres) -> tuple[NDArray[np.intp], Floats]:
    """Return the ``_NEAR`` nearest centres of each row, and their distances, except for a term."""
    apart = matmul(values, centres.places.T)
    apart *= -2
    apart += centres.squares
    rows = np.arange(len(values))
    near = np.empty((len(values), _NEAR), dtype=np.intp)
    far = np.empty((len(values), _NEAR), dtype=np.float32)
    for column in range(_NEAR):  # faster than a partition for so few
        near[:, column] = apart.argmin(axis=1)
        far[:, column] = apart[rows, near[:, column]]
        apart[rows, near[:, column]] = np.inf
    return near, far
