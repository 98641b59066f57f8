"""Embeddings: vectors that tell which pictures are *similar*. Imports no Django.

Searches by embeddings have no threshold: the closest pictures come first, however far they are.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.index.base import DECIMALS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels
    from django_visualsnoop.engine.storage.store import NewImage

logger = logging.getLogger("django_visualsnoop.engine")

_RANK_STEPS = 10_000


class EmbeddingModel(Protocol):
    """What computes embeddings. Safe to use from several threads, and in a child process."""

    @property
    def identity(self) -> str:
        """Text, another one for each model: what two models say is not compared."""

    def describe(self, pixels: Pixels) -> NDArray[np.int8]:
        """Return d values, compared by cosine; d is the same for every picture.

        Args:
            pixels: height x width x 3, RGB, uint8, at most ``decode.WORK_SIDE`` high and wide.
        """


def hash_identity(model: EmbeddingModel) -> str:
    """Return the 16 characters that a row and the memory of a process know a model by.

    Hexadecimal digits, which no database's collation takes for others.
    """
    return sha256(model.identity.encode()).hexdigest()[:16]


def add_embedding(new: NewImage, pixels: Pixels, model: EmbeddingModel) -> NewImage:
    """Add the embedding of a picture; without it where the model fails.

    Copies are found all the same. The model is noted even then: it is not asked again for
    this picture until there is another one, or somebody adds the picture again.
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


def compute_embedding(pixels: Pixels, model: EmbeddingModel | None) -> NDArray[np.int8]:
    """Return the embedding of a picture.

    Args:
        pixels: height x width x 3, RGB, uint8.
        model: what computes it; the engine's own global vector if ``None``.
    """
    return describe.compute_vector(pixels) if model is None else model.describe(pixels)


def cosine_to_similarity(cosine: float) -> float:
    """Return a cosine as 0 to 1. It is no probability, and of each model something else."""
    return min(1.0, max(0.0, round(cosine, DECIMALS)))


def cosine_to_rank(cosine: float) -> int:
    """Return the distance as a whole number: 0 for the same, 10,000 for a cosine of 0."""
    return max(0, round(_RANK_STEPS * (1.0 - cosine)))
