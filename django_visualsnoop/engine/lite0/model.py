"""The embedding model that the engine uses unless a project chooses another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from django_visualsnoop.engine.embedding import LogisticScale
from django_visualsnoop.engine.lite0.networks import RunTime, find_run_time, load_network
from django_visualsnoop.engine.lite0.whitening import encode_embedding, load_whitening
from django_visualsnoop.engine.squares import resize_to_square

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

    Floats = NDArray[np.float32]

#: Width and height of the network's input, in pixels.
SIZE = 224
#: SHA-256 of both files in ``data``. A new file makes a new model: all images are described again.
FILE_DIGEST = "18d055be4f7e430bebb51c88122fc34e81060f519bb42cb9daf6b0fe7dc194be"
WHITENING_DIGEST = "d151cb666a27acfdd22497ae8a413c3218ffaaa16a43be178387cf8cc5aa970e"
#: The network was trained with values of (value - 127) / 128.
_MEAN, _RANGE = np.float32(127), np.float32(128)
#: The similarity is that of a collection in which one picture of so many shows the same kind of
#: thing as another. It was fitted to pairs half of which do; see ``scale``.
KINDS = 100
#: Pictures with a lower similarity do not look similar: they more probably show another kind.
MIN_SIMILARITY = 0.5


def compute_features(pixels: Pixels, run_time: RunTime | None = None) -> Floats:
    """Return the network's 1280 features of a picture.

    Args:
        pixels: height x width x 3, RGB, uint8.
        run_time: what computes them; the faster one that is installed if ``None``.
    """
    return load_network(run_time or find_run_time()).run(prepare_picture(pixels))


def prepare_picture(pixels: Pixels) -> Floats:
    """Return the network's input for a picture: 1 x 3 x ``SIZE`` x ``SIZE``."""
    square = resize_to_square(pixels, SIZE, crop=True).astype(np.float32)
    values = (square - _MEAN) / _RANGE
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


@dataclass(frozen=True)
class Lite0Embedding:
    """Computes embeddings with EfficientNet-Lite0, which is part of this package.

    It sees the largest square in the middle of a picture. Embeddings have 256 values; see the model
    card in ``data/README.rst``. onnxruntime computes them if it is installed, or else OpenCV:
    theirs are the same but for rounding, and one collection may have both.

    Args:
        run_time: ``"onnxruntime"`` or ``"opencv"``; the faster one that is installed if ``None``.
    """

    run_time: RunTime | None = None
    centred: ClassVar[bool] = True

    @property
    def identity(self) -> str:
        """A string that identifies the network and what was learned, whatever computes it."""
        return f"EfficientNet-Lite0 {FILE_DIGEST} {WHITENING_DIGEST}"

    @property
    def scale(self) -> LogisticScale:
        """How likely two pictures show the same kind of thing, given the cosine.

        The odds of a pair are those of the fit times the odds before looking (Bayes' rule).
        """
        slope, offset = load_whitening().logistic.tolist()
        return LogisticScale(slope, offset - math.log(KINDS - 1), MIN_SIMILARITY)

    def describe(self, pixels: Pixels) -> NDArray[np.int8]:
        """Return the embedding of a picture: 256 values.

        Args:
            pixels: height x width x 3, RGB, uint8.
        """
        return encode_embedding(compute_features(pixels, self.run_time))
