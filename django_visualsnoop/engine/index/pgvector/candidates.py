"""Find the few images of a collection that may be copies of a picture, in one statement.

It shortlists the images whose signs differ least from those of a probe, by an HNSW index or, if
there are few, by comparing them all. It counts the votes of the features with equal keys, as
``memory.inverted`` counts those in the same word. Of both, it returns the best and their vectors,
so that cosines are computed as everywhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS
from django_visualsnoop.engine.index.base import DECIMALS, Candidate
from django_visualsnoop.engine.index.keys import build_query_keys
from django_visualsnoop.engine.index.memory.codes import RESCORED, compute_cosines
from django_visualsnoop.engine.index.memory.inverted import FARTHEST
from django_visualsnoop.engine.index.pgvector.encoding import format_array, format_signs, mix_keys
from django_visualsnoop.engine.index.pgvector.filters import IdFilter
from django_visualsnoop.engine.index.pgvector.tables import IMAGES, POSTINGS

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from django_visualsnoop.engine.index.base import CandidateQuery
    from django_visualsnoop.engine.index.pgvector.collections import NumberedCollection

#: Compare all vectors of collections, or of the images that a search may find, up to this many.
FEW = 10_000
#: The largest ``hnsw.ef_search`` that pgvector takes.
MOST_SEARCHED = 1000

_NO_IMAGE = "SELECT NULL::int AS number LIMIT 0"
#: For each probe, the images whose signs differ least, by the HNSW index.
_NEAR_BY_INDEX = """
SELECT DISTINCT n.number FROM unnest(%(signs)s::bit(256)[]) AS p (signs)
CROSS JOIN LATERAL (
    SELECT i.number FROM {images} i WHERE i.collection = {number}{condition}
    ORDER BY i.signs <~> p.signs LIMIT %(shortlist)s
) n
"""
#: The images whose signs differ least from any probe's, all of them compared.
_NEAR_BY_COMPARING = """
SELECT i.number FROM {images} i
WHERE i.collection = {number} AND i.signs IS NOT NULL{condition}
ORDER BY least({distances}), i.number LIMIT 2 * %(shortlist)s
"""
#: The images with votes, with those of the view that has the most. A feature votes once for an
#: image, by its closest posting.
_VOTED = f"""
SELECT DISTINCT ON (image) image, votes, view FROM (
    SELECT image, feature / 256 AS view, sum(1 - distance / {FARTHEST + 1}.0::real) AS votes FROM (
        SELECT p.image, a.feature, min(p.distance) AS distance
        FROM unnest(%(keys)s::int[], %(codes)s::bigint[], %(features)s::int[])
            AS a (key, code, feature)
        CROSS JOIN LATERAL (
            SELECT image, bit_count((code # a.code)::bit(64))::real AS distance
            FROM {POSTINGS} WHERE key = a.key OFFSET 0
        ) p
        WHERE p.distance <= {FARTHEST}
        GROUP BY p.image, a.feature
    ) closest GROUP BY image, feature / 256
) of_view ORDER BY image, votes DESC, view
"""
_NO_VOTES = "SELECT NULL::int AS image, NULL::real AS votes, NULL::int AS view LIMIT 0"
_FIND = """
WITH voted AS MATERIALIZED ({voted}),
best AS (
    SELECT v.image FROM (SELECT * FROM voted ORDER BY votes DESC, image) v
    JOIN {images} i ON i.number = v.image AND i.collection = {number}{condition}
    LIMIT %(limit)s
),
near AS ({near}),
found AS (SELECT image AS number, true AS voted FROM best UNION ALL
    SELECT number, false FROM near)
SELECT i.image_id, i.vector, coalesce(v.votes, 0), coalesce(v.view, 0), f.voted
FROM (SELECT number, bool_or(voted) AS voted FROM found GROUP BY number) f
JOIN {images} i ON i.number = f.number LEFT JOIN voted v ON v.image = f.number
"""


class _Found(NamedTuple):
    image_id: str
    vector: bytes
    votes: float
    view: int
    #: Whether it is among those with the most votes.
    voted: bool


def find_candidates(
    cursor: CursorWrapper, collection: NumberedCollection, query: CandidateQuery
) -> list[Candidate]:
    """Return the best of each stage; see ``OutsideIndex``.

    Args:
        cursor: of ``open_search``.
        collection: which one.
        query: the query.
    """
    limit = max(0, query.limit)
    filters = IdFilter(query.allowed, query.without)
    if limit == 0 or (query.allowed is not None and not query.allowed):
        return []
    condition = filters.build_condition("i")
    parameters = {**filters.get_parameters(), "limit": limit, "shortlist": max(RESCORED, limit)}
    values = {"images": IMAGES, "number": collection.number, "condition": condition}
    near = _NO_IMAGE
    if len(query.probes):
        signs = sorted(set(format_signs(query.probes)))
        parameters["signs"] = format_array(signs)
        distances = ", ".join(f"i.signs <~> B'{one}'" for one in signs)
        by_index = collection.indexed and not filters.allows_few(FEW)
        near = _NEAR_BY_INDEX if by_index else _NEAR_BY_COMPARING
        near = near.format(**values, distances=distances)
    keys = _format_keys(query, collection.number)
    parameters |= keys
    voted = _VOTED if keys else _NO_VOTES
    cursor.execute(_FIND.format(**values, near=near, voted=voted), parameters)
    return _select_best([_Found(*row) for row in cursor.fetchall()], query)


def get_settings(query: CandidateQuery) -> dict[str, str | int]:
    """Return the settings of pgvector for a query."""
    return {"hnsw.ef_search": min(MOST_SEARCHED, max(RESCORED, query.limit))}


def _format_keys(query: CandidateQuery, collection: int) -> dict[str, Any]:
    """Return the parameters of the local stage; none if the query has no feature."""
    keys, codes, features = [], [], []
    for number, view in enumerate(query.views):
        asked = build_query_keys(view)
        keys.append(mix_keys(asked.keys, collection))
        codes.append(view.codes[asked.features].view(np.int64))
        features.append(asked.features + 256 * number)
    if not sum(map(len, keys)):
        return {}
    return {
        "keys": format_array(np.concatenate(keys)),
        "codes": format_array(np.concatenate(codes)),
        "features": format_array(np.concatenate(features)),
    }


def _select_best(found: list[_Found], query: CandidateQuery) -> list[Candidate]:
    """Return the closest of the shortlist and those with the most votes, with all their scores."""
    if not found:
        return []
    if len(query.probes):
        content = b"".join(one.vector for one in found)
        vectors = np.frombuffer(content, np.int8).reshape(-1, DIMENSIONS)
        scores = compute_cosines(vectors, query.probes)
    else:
        scores = np.full((len(found), 1), -1, dtype=np.float32)
    # Rounded, so that equal vectors are equally close on every processor.
    cosines = scores.max(axis=1).round(DECIMALS)
    probes = scores.argmax(axis=1)
    close = set(np.argsort(-cosines, kind="stable")[: query.limit].tolist())
    candidates = {
        one.image_id: Candidate(one.image_id, float(cosine), int(probe), one.votes, one.view)
        for place, (one, cosine, probe) in enumerate(zip(found, cosines, probes, strict=True))
        if one.voted or (place in close and len(query.probes))
    }
    return sorted(candidates.values(), key=lambda one: (-one.cosine, one.image_id))
