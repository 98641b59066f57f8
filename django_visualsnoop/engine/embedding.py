"""Embeddings: vectors for searches by ``kind="similar"``. Imports no Django.

Searches by embeddings have no threshold. The closest pictures come first, however far they are.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

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


def cosine_to_similarity(cosine: float) -> float:
    """Return the similarity for a cosine, 0 to 1. It depends on the model."""
    return min(1.0, max(0.0, round(cosine, DECIMALS)))


def cosine_to_rank(cosine: float) -> int:
    """Return the rank for a cosine, an integer: 0 for equal vectors, 10,000 for a cosine of 0."""
    return max(0, round(_RANK_STEPS * (1.0 - cosine)))
