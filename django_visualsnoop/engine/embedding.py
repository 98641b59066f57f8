"""Embeddings: vectors for searches by ``kind="similar"``. Imports no Django."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.engine.index.base import DECIMALS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels
    from django_visualsnoop.engine.storage.values import NewImage

logger = logging.getLogger("django_visualsnoop.engine")

_RANK_STEPS = 10_000


class EmbeddingModel(Protocol):
    """Computes embeddings. Must be safe to use from several threads and in a child process."""

    @property
    def identity(self) -> str:
        """A string that differs from model to model; only equal ones are compared."""

    def describe(self, pixels: Pixels) -> NDArray[np.int8]:
        """Return the embedding, d values of int8, compared by cosine. d must never change.

        Args:
            pixels: height x width x 3, RGB, uint8, at most ``decode.WORK_SIDE`` high and wide.
        """


class SimilarityScale(Protocol):
    """What the cosines of a model mean. A higher cosine never means a lower similarity."""

    @property
    def min_similarity(self) -> float:
        """The default threshold of searches: 0 to 1. Pictures below do not look similar."""

    def to_similarity(self, cosine: float) -> float:
        """Return the similarity for a cosine, 0 to 1."""

    def to_cosine(self, similarity: float) -> float:
        """Return the lowest cosine with a similarity; -1 if all have it."""


@dataclass(frozen=True)
class CosineScale:
    """The scale of models that do not say what their cosines mean: the cosine itself, or 0."""

    min_similarity: float = 0.0

    def to_similarity(self, cosine: float) -> float:
        return min(1.0, max(0.0, round(cosine, DECIMALS)))

    def to_cosine(self, similarity: float) -> float:
        return similarity if similarity > 0 else -1.0


@dataclass(frozen=True)
class LogisticScale:
    """The probability ``1 / (1 + exp(-(slope * cosine + offset)))``.

    Args:
        slope: above 0.
        offset: the logarithm of the odds for a cosine of 0.
        min_similarity: see ``SimilarityScale``.
    """

    slope: float
    offset: float
    min_similarity: float

    def to_similarity(self, cosine: float) -> float:
        # The same, without a large exponential.
        return round((1 + math.tanh((self.slope * cosine + self.offset) / 2)) / 2, DECIMALS)

    def to_cosine(self, similarity: float) -> float:
        if similarity <= 0:
            return -1.0
        # Similarities are rounded, and so are the largest ones.
        least = min(similarity, 1 - _ROUNDED) - _ROUNDED
        if least <= 0:
            return -1.0
        found = (math.log(least / (1 - least)) - self.offset) / self.slope
        return min(1.0, max(-1.0, found))


#: Half a step of a rounded similarity, and a little more.
_ROUNDED = 0.6 * 10**-DECIMALS
_COSINE_SCALE = CosineScale()


@runtime_checkable
class CalibratedModel(Protocol):
    """A model may also say what its cosines mean, …"""

    @property
    def scale(self) -> SimilarityScale: ...


@runtime_checkable
class CentredModel(Protocol):
    """… and whether the mean of its vectors is about zero, which makes searches faster."""

    @property
    def centred(self) -> bool: ...


def get_scale(model: EmbeddingModel) -> SimilarityScale:
    """Return what the cosines of a model mean."""
    return model.scale if isinstance(model, CalibratedModel) else _COSINE_SCALE


def is_centred(model: EmbeddingModel) -> bool:
    """Return whether the mean of a model's vectors is about zero."""
    return isinstance(model, CentredModel) and model.centred


def hash_identity(model: EmbeddingModel) -> str:
    """Return 16 hexadecimal digits that identify a model in rows and in memory.

    Every database compares hexadecimal digits exactly, whatever its collation.
    """
    return sha256(model.identity.encode()).hexdigest()[:16]


def add_embedding(new: NewImage, pixels: Pixels, model: EmbeddingModel) -> NewImage:
    """Add the embedding of a picture, or none if the model fails.

    Searches for copies find the picture either way. The row records the model even if it failed,
    so the model is not asked again until it changes or the picture is added again.
    """
    try:
        name = hash_identity(model)
    except Exception as error:  # noqa: BLE001 -- such as a file that is gone and may return
        _log_no_embedding(new.image_id, error)
        return new
    try:
        found = model.describe(pixels).tobytes()
    except Exception as error:  # noqa: BLE001 -- a model's errors are its own
        _log_no_embedding(new.image_id, error)
        found = None
    return replace(new, embedding=found, embedding_model=name, embedding_digest=new.digest)


def _log_no_embedding(image_id: str, error: Exception) -> None:
    """Say that a picture has no embedding, unless something else has ended the attempt."""
    if is_interruption(error):
        raise error
    logger.error(
        "Could not compute the embedding of %s. Searches for similar images do not find it: %s",
        image_id,
        error,
    )


def cosine_to_rank(cosine: float) -> int:
    """Return the rank for a cosine, an integer: 0 for equal vectors, 10,000 for a cosine of 0."""
    return max(0, round(_RANK_STEPS * (1.0 - cosine)))
