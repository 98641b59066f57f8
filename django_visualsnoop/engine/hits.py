"""What searches of a collection return."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.embedding import cosine_to_rank
from django_visualsnoop.engine.matching.calibration import score_to_similarity
from django_visualsnoop.engine.search import search

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.common.search_options import SearchOptions
    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.embedding import SimilarityScale
    from django_visualsnoop.engine.index.base import CopyIndex, VectorIndex

#: Highest number of matches of a search that names no limit.
DEFAULT_LIMIT = 100


class Hit(NamedTuple):
    image_id: str
    #: Integer distance, 0 is perceptually identical.
    rank: int
    #: 0 to 1.
    similarity: float
    #: One of ``search_options.RELATIONS``; ``None`` if unknown, or for similar images.
    relation: str | None = None
    #: 0 to 1: the share of what both pictures show that differs; ``None`` if unknown.
    difference: float | None = None


class Hits(NamedTuple):
    #: ``None`` until something is written.
    collection_id: str | None
    hits: list[Hit]
    #: Time of the image requested by id, in microseconds since 1970, UTC.
    image_time: int | None = None


def find_copies(
    index: CopyIndex,
    probes: Probes,
    options: SearchOptions,
    min_score: float,
    without: str | None = None,
) -> list[Hit]:
    """Return the images that are related to a picture, most closely and surely first.

    Args:
        index: the index of the collection.
        probes: what to search for.
        options: how many to return, which relations, and among which images.
        min_score: the least logarithm of the odds.
        without: the id of an image to leave out.
    """
    found = search(
        index,
        probes,
        min_score=min_score,
        limit=options.limit or DEFAULT_LIMIT,
        allowed=None if options.allowed is None else frozenset(options.allowed),
        without=frozenset() if without is None else frozenset({without}),
        relations=options.relations,
    )
    return [
        Hit(
            image_id,
            relation.rank,
            score_to_similarity(relation.score),
            relation.name,
            relation.difference,
        )
        for image_id, relation in found
    ]


def find_similar(
    index: VectorIndex,
    probe: NDArray[np.int8],
    scale: SimilarityScale,
    options: SearchOptions,
    without: str | None = None,
) -> list[Hit]:
    """Return the images with the closest vectors, closest first; see ``iter_similar``."""
    portions = iter_similar(index, probe, scale, options, without)
    found = islice(chain.from_iterable(portions), options.limit or DEFAULT_LIMIT)
    # From one portion to the next, the order is only nearly exact.
    return sorted(found, key=lambda hit: hit.rank)


def iter_similar(
    index: VectorIndex,
    probe: NDArray[np.int8],
    scale: SimilarityScale,
    options: SearchOptions,
    without: str | None = None,
) -> Iterator[list[Hit]]:
    """Yield the images with the closest vectors in portions, closest first.

    Args:
        index: the index of the collection.
        probe: the vector to search for.
        scale: what cosines mean.
        options: what to search for; the limit is ignored.
        without: the id of an image to leave out.
    """
    least = scale.min_similarity if options.min_similarity is None else options.min_similarity
    portions = index.iter_closest(
        probe,
        allowed=options.allowed,
        without=() if without is None else (without,),
        min_cosine=scale.to_cosine(least),
    )
    for portion in portions:
        hits = [
            Hit(image_id, cosine_to_rank(cosine), scale.to_similarity(cosine))
            for image_id, cosine in portion
        ]
        yield [hit for hit in hits if hit.similarity >= least]
