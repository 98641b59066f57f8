"""Find the images that may be copies of a picture, in two searches: one for each stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from django_visualsnoop.common.batches import batched
from django_visualsnoop.engine.index.base import DECIMALS, Candidate
from django_visualsnoop.engine.index.memory.codes import RESCORED, compute_cosines
from django_visualsnoop.engine.index.milvus.filters import select_images, select_rows
from django_visualsnoop.engine.index.milvus.keys import build_sparse_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import CandidateQuery
    from django_visualsnoop.engine.index.milvus.connection import Connection

#: The largest number of results of a search in Milvus.
MOST = 16_384
_READ_TOGETHER = 1000


class _Hit(NamedTuple):
    score: float
    #: Number of the probe or the view.
    found_by: int
    image_id: str


def find_candidates(
    connection: Connection, table: str, collection_id: str, query: CandidateQuery, consistency: str
) -> list[Candidate]:
    """Return the best of each stage, closest by cosine first; equally close ones by id.

    Args:
        connection: the server.
        table: alias of the collection of all images.
        collection_id: id of our collection.
        query: the query. Milvus returns at most ``MOST`` images of each stage.
        consistency: the consistency level.
    """
    limit = min(query.limit, MOST)
    close: dict[int, _Hit] = {}
    voted: dict[int, _Hit] = {}
    if limit > 0:
        for images in select_images(collection_id, query.allowed, query.without):
            arguments = {
                "limit": limit,
                "output_fields": ["row_id", "image_id"],
                "consistency_level": consistency,
            }
            _find_closest(connection, table, images, query, close, arguments)
            _count_votes(connection, table, images, query, voted, arguments)
    rows = sorted({*_select_best(close, limit), *_select_best(voted, limit)})
    vectors = _read_vectors(connection, table, collection_id, rows, consistency)
    if not vectors:
        return []
    scores = _compute_scores(list(vectors.values()), query.probes)
    found: dict[str, Candidate] = {}
    # An id that was deleted and added again may have the entry of the old row for a while.
    for row_id, cosine, probe in zip(
        vectors, scores.max(axis=1).round(DECIMALS).tolist(), scores.argmax(axis=1), strict=True
    ):
        votes = voted.get(row_id, _NO_VOTES)
        image_id = (close.get(row_id) or votes).image_id
        found[image_id] = Candidate(image_id, cosine, int(probe), votes.score, votes.found_by)
    return sorted(found.values(), key=lambda one: (-one.cosine, one.image_id))


_NO_VOTES = _Hit(0.0, 0, "")


def _find_closest(
    connection: Connection,
    table: str,
    images: str,
    query: CandidateQuery,
    close: dict[int, _Hit],
    arguments: dict[str, Any],
) -> None:
    if not len(query.probes):
        return
    found = connection.call(
        "search",
        table,
        data=query.probes.astype(np.float32).tolist(),
        anns_field="vector",
        filter=f"{images} and has_descriptor == true",
        search_params={"params": {"ef": max(RESCORED, arguments["limit"])}},
        **arguments,
    )
    _add_hits(close, found, range(len(query.probes)))


def _count_votes(
    connection: Connection,
    table: str,
    images: str,
    query: CandidateQuery,
    voted: dict[int, _Hit],
    arguments: dict[str, Any],
) -> None:
    views = [number for number, view in enumerate(query.views) if len(view.codes)]
    if not views:
        return
    found = connection.call(
        "search",
        table,
        data=[build_sparse_query(query.views[number]) for number in views],
        anns_field="keys",
        filter=images,
        **arguments,
    )
    _add_hits(voted, found, views)


def _add_hits(hits: dict[int, _Hit], found: Any, numbers: Iterable[int]) -> None:
    """Add the results of each probe or view; of an image, the best one counts."""
    for number, results in zip(numbers, found, strict=True):
        for result in results:
            row_id = result["entity"]["row_id"]
            if row_id not in hits or hits[row_id].score < result["distance"]:
                hits[row_id] = _Hit(result["distance"], number, result["entity"]["image_id"])


def _select_best(hits: dict[int, _Hit], limit: int) -> list[int]:
    return sorted(hits, key=lambda row_id: (-hits[row_id].score, hits[row_id].image_id))[:limit]


def _read_vectors(
    connection: Connection,
    table: str,
    collection_id: str,
    row_ids: Sequence[int],
    consistency: str,
) -> dict[int, list[float]]:
    """Return the vectors of entries, as far as they still exist, in the order of rows."""
    found: dict[int, list[float]] = {}
    for some in batched(row_ids, _READ_TOGETHER):
        rows = connection.call(
            "query",
            table,
            filter=select_rows(collection_id, some),
            output_fields=["row_id", "vector"],
            consistency_level=consistency,
        )
        found.update((row["row_id"], row["vector"]) for row in rows)
    return dict(sorted(found.items()))


def _compute_scores(vectors: list[list[float]], probes: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return cosines, the same as in the memory index: a server's own have other rounding errors.

    They are images x probes, or -1 without probes.
    """
    if not len(probes):
        return np.full((len(vectors), 1), -1, dtype=np.float32)
    return compute_cosines(np.rint(vectors).astype(np.int8), probes)
