"""How pictures look, as a vector: the words of what is *similar*. Imports no Django.

Looks promise nothing: the closest pictures come first, however far they are.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from django_visualsnoop.engine import describe
from django_visualsnoop.engine.index.closest import DECIMALS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.decode import Pixels

_RANK_STEPS = 10_000


class LooksDescriptor(Protocol):
    """What describes looks. Safe to use from several threads, and in a child process."""

    @property
    def identity(self) -> str:
        """Text, another one for each model: what two models say is not compared."""

    def describe(self, pixels: Pixels) -> NDArray[np.int8]:
        """Return d values, compared by cosine; d is the same for every picture.

        Args:
            pixels: height x width x 3, RGB, uint8, at most ``decode.WORK_SIDE`` high and wide.
        """


def name_of(looks: LooksDescriptor) -> str:
    """Return the 16 characters that a row and the memory of a process know a model by.

    Hexadecimal digits, which no database's collation takes for others.
    """
    return sha256(looks.identity.encode()).hexdigest()[:16]


def vector_of(pixels: Pixels, looks: LooksDescriptor | None) -> NDArray[np.int8]:
    """Return the looks of a picture.

    Args:
        pixels: height x width x 3, RGB, uint8.
        looks: what describes them; the engine's own global vector if ``None``.
    """
    return describe.vector_of(pixels) if looks is None else looks.describe(pixels)


def similarity(cosine: float) -> float:
    """Return a cosine as 0 to 1. It is no probability, and of each model something else."""
    return min(1.0, max(0.0, round(cosine, DECIMALS)))


def rank(cosine: float) -> int:
    """Return the distance as a whole number: 0 for the same, 10,000 for a cosine of 0."""
    return max(0, round(_RANK_STEPS * (1.0 - cosine)))
