"""What searches of a collection return: hits, in portions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.common.search_options import RELATIONS, SIMILAR
from django_visualsnoop.engine.embedding import cosine_to_rank
from django_visualsnoop.engine.matching.calibration import score_to_similarity
from django_visualsnoop.engine.matching.relation import RANKS
from django_visualsnoop.engine.search import search

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.common.search_options import SearchOptions
    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.embedding import SimilarityScale
    from django_visualsnoop.engine.index.base import CandidateIndex, VectorIndex

#: Highest number of matches of a search that names no limit.
DEFAULT_LIMIT = 100
#: Pictures that only look similar have this rank or a higher one: they come after all others.
FIRST_SIMILAR_RANK = len(RELATIONS) * RANKS


class Hit(NamedTuple):
    image_id: str
    #: Integer distance, 0 is perceptually identical.
    rank: int
    #: 0 to 1.
    similarity: float
    #: One of ``search_options.RELATIONS``, or ``SIMILAR``; ``None`` if unknown.
    relation: str | None = None
    #: 0 to 1: the share of what both pictures show that differs; ``None`` if unknown.
    difference: float | None = None


class Hits(NamedTuple):
    #: ``None`` until something is written.
    collection_id: str | None
    hits: list[Hit]
    #: Time of the image requested by id, in microseconds since 1970, UTC.
    image_time: int | None = None


class HitPortions(NamedTuple):
    """The hits of a search in portions, the closest first. Further portions cost further work."""

    #: ``None`` until something is written.
    collection_id: str | None
    portions: Iterator[list[Hit]]
    #: Time of the image requested by id, in microseconds since 1970, UTC.
    image_time: int | None = None

    def take(self, limit: int) -> Hits:
        """Return the first hits, at most ``limit``."""
        hits: list[Hit] = []
        for portion in self.portions:
            hits += portion
            if len(hits) >= limit:
                break
        return Hits(self.collection_id, hits[:limit], self.image_time)


def find_copies(
    index: CandidateIndex,
    probes: Probes,
    options: SearchOptions,
    min_score: float,
    without: str | None = None,
) -> Iterator[list[Hit]]:
    """Yield the images that are related to a picture, most closely and surely first.

    Args:
        index: the index of the collection.
        probes: what to search for.
        options: which relations, and among which images.
        min_score: the least logarithm of the odds.
        without: the id of an image to leave out.
    """
    found = search(
        index,
        probes,
        min_score=min_score,
        allowed=None if options.allowed is None else frozenset(options.allowed),
        without=frozenset() if without is None else frozenset({without}),
        relations=options.relations,
    )
    for portion in found:
        yield [
            Hit(
                image_id,
                relation.rank,
                score_to_similarity(relation.score),
                relation.name,
                relation.difference,
            )
            for image_id, relation in portion
        ]


class SimilarImages(NamedTuple):
    """The embeddings of a collection, and the one to search for."""

    vectors: VectorIndex
    probe: NDArray[np.int8]
    #: What cosines mean.
    scale: SimilarityScale


def find_similar(
    copies: Iterator[list[Hit]],
    similar: SimilarImages | None,
    options: SearchOptions,
    without: str | None = None,
) -> Iterator[list[Hit]]:
    """Yield the images that are related to a picture, and then those that look like it.

    Args:
        copies: see ``find_copies``. Only the first portion counts, if there are embeddings.
        similar: where to search; ``None`` without embeddings.
        options: the threshold, and among which images.
        without: the id of an image to leave out.
    """
    least = options.min_similarity
    if similar is None:
        for portion in copies:
            yield [hit for hit in portion if least is None or hit.similarity >= least]
        return
    vectors, probe, scale = similar
    related = [hit for hit in next(copies, []) if least is None or hit.similarity >= least]
    yield related
    least = scale.min_similarity if least is None else least
    portions = vectors.iter_closest(
        probe,
        allowed=options.allowed,
        without={hit.image_id for hit in related}.union([] if without is None else [without]),
        min_cosine=scale.to_cosine(least),
    )
    for closest in portions:
        hits = [
            Hit(
                image_id,
                FIRST_SIMILAR_RANK + cosine_to_rank(cosine),
                scale.to_similarity(cosine),
                SIMILAR,
            )
            for image_id, cosine in closest
        ]
        yield [hit for hit in hits if hit.similarity >= least]
