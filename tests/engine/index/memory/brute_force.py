"""What an index of descriptors should find, said plainly and slowly; and descriptors to index."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, Descriptor
from django_visualsnoop.engine.index.base import Features
from django_visualsnoop.engine.index.memory.closest import iter_closest
from django_visualsnoop.engine.index.memory.inverted import FARTHEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import CandidateQuery, CloseImage
    from django_visualsnoop.engine.index.memory.embeddings import EmbeddingSegment
    from django_visualsnoop.engine.index.memory.layers import Visible


def made(dice: np.random.Generator, features: int, words: int = 12) -> Descriptor:
    """Return a descriptor whose codes lie around a few, so that many are close."""
    centres = np.random.default_rng(0).integers(0, 2**64, 3, dtype=np.uint64)
    codes = centres[dice.integers(0, 3, features)]
    for _ in range(8):
        codes ^= np.uint64(1) << dice.integers(0, 64, features).astype(np.uint64)
    return Descriptor(
        dice.integers(-127, 128, DIMENSIONS, dtype=np.int8),
        codes,
        dice.integers(0, words, features).astype(np.uint32) ** 5 % np.uint32(2**17),
        dice.integers(0, 240, (features, 4), dtype=np.uint8),
    )


def features_of(descriptor: Descriptor, near: int = 0) -> Features:
    """Return the features of a query, each in its word and ``near`` others."""
    columns = [descriptor.words, *(np.roll(descriptor.words, step + 1) for step in range(near))]
    return Features(descriptor.codes, np.stack(columns, axis=1))


def cosine(left: NDArray[np.int8], right: NDArray[np.int8]) -> float:
    one, other = left.astype(float), right.astype(float)
    return float(one @ other / max(1.0, np.linalg.norm(one)) / max(1.0, np.linalg.norm(other)))


def votes(view: Features, stored: Descriptor) -> float:
    """Return the votes of a view for an image."""
    total = 0.0
    for code, words in zip(view.codes, view.words, strict=True):
        distances = np.bitwise_count(stored.codes ^ code)[np.isin(stored.words, words)]
        if len(distances) and distances.min() <= FARTHEST:
            total += 1 - int(distances.min()) / (FARTHEST + 1)
    return total


def scores(
    images: Mapping[str, Descriptor], query: CandidateQuery
) -> dict[str, tuple[float, float]]:
    """Return the cosine and the votes of every image that the query may find."""
    return {
        image_id: (
            max((cosine(probe, stored.vector) for probe in query.probes), default=-1.0),
            max((votes(view, stored) for view in query.views), default=0.0),
        )
        for image_id, stored in images.items()
        if image_id not in query.without and (query.allowed is None or image_id in query.allowed)
    }


def find_closest(
    parts: Sequence[Visible[EmbeddingSegment]], probe: NDArray[np.int8], limit: int
) -> list[CloseImage]:
    """Return the first ``limit`` images of ``iter_closest``."""
    return list(islice(chain.from_iterable(iter_closest(parts, probe)), limit))
