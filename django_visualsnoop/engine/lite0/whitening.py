"""Turn the features of the network into embeddings. Imports no Django.

``python -m django_visualsnoop.engine.training.whitening`` makes the file with the values.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import quantise
from django_visualsnoop.engine.descriptors.matmul import matmul_row
from django_visualsnoop.engine.lite0.networks import DATA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PATH = DATA / "whitening.npz"


class Whitening(NamedTuple):
    """The values that were learned from photographs."""

    #: 1280: subtracted from the features.
    mean: Floats
    #: 1280 x 256: the projection, …
    projection: NDArray[np.int8]
    #: … and the factor of each of its columns.
    steps: Floats
    #: Slope and offset of the probability that two pictures show the same kind of thing.
    logistic: NDArray[np.float64]


@cache
def load_whitening() -> Whitening:
    with np.load(PATH) as stored:
        return Whitening(*(stored[name] for name in Whitening._fields))


@cache
def _load_projection() -> Floats:
    whitening = load_whitening()
    return whitening.projection * whitening.steps


def encode_embedding(features: Floats) -> NDArray[np.int8]:
    """Return the embedding for the 1280 features of a picture: 256 values."""
    return quantise(matmul_row(features - load_whitening().mean, _load_projection()))


def encode_embeddings(features: Floats, whitening: Whitening) -> NDArray[np.int8]:
    """Return the embeddings of n pictures, for training and benchmarks: n x 256.

    Args:
        features: n x 1280.
        whitening: the values to use.
    """
    projected = (features - whitening.mean) @ (whitening.projection * whitening.steps)
    return np.array([quantise(vector) for vector in projected], dtype=np.int8)
