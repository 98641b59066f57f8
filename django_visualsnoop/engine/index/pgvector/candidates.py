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
from django_visualsnoop.engine.index.memory.codes import compute_cosines
from django_visualsnoop.engine.index.memory.inverted import FARTHEST
from django_visualsnoop.engine.index.pgvector.connection import apply_settings
from django_visualsnoop.engine.index.pgvector.encoding import (
    count_steady,
    format_array,
    format_signs,
    mix_keys,
)
from django_visualsnoop.engine.index.pgvector.filters import ALLOWED, IdFilter
from django_visualsnoop.engine.index.pgvector.tables import (
    IMAGES,
    ITERATIVE,
    OLDEST,
    POSTINGS,
    find_version,
)

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from django_visualsnoop.engine.index.base import CandidateQuery
    from django_visualsnoop.engine.index.pgvector.collections import NumberedCollection
    from django_visualsnoop.engine.index.pgvector.options import SearchOptions

#: The largest ``hnsw.ef_search`` that pgvector takes.
MOST_SEARCHED = 1000

_NO_IMAGE = "SELECT NULL::int AS number LIMIT 0"
#: The images whose signs differ least from any probe's: all of them compared, …
_NEAR = """
SELECT i.number FROM {compared} i ORDER BY least({distances}), i.number LIMIT 2 * %(shortlist)s
"""
_ALL = """(
    SELECT i.number, i.signs FROM {images} i
    WHERE i.collection = {number} AND i.signs IS NOT NULL{condition}
)"""
#: … or those with the closest steady signs, by the HNSW index. One look into it does for all the
#: probes of a picture, which are turned and mirrored, and costs as much as one probe.
_BY_INDEX = """(
    SELECT DISTINCT n.number, n.signs FROM unnest(%(steady)s::bit({steady})[]) AS p (signs)
    CROSS JOIN LATERAL (
        SELECT i.number, i.signs FROM {images} i WHERE i.collection = {number}{condition}
        ORDER BY {indexed} <~> p.signs LIMIT %(shortlist)s
    ) n
)"""
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
#: Joins that must look up a few images by number have ``OFFSET 0``: without it, a plan may read all
#: images, and in another order.
_FIND = """
WITH {allowed}, voted AS MATERIALIZED ({voted}),
best AS (
    SELECT v.image FROM (SELECT * FROM voted ORDER BY votes DESC, image OFFSET 0) v
    CROSS JOIN LATERAL (
        SELECT FROM {images} i
        WHERE i.number = v.image AND i.collection = {number}{condition} OFFSET 0
    ) i
    ORDER BY v.votes DESC, v.image LIMIT %(limit)s
),
near AS ({near}),
found AS (SELECT image AS number, true AS voted FROM best UNION ALL
    SELECT number, false FROM near)
SELECT i.image_id, i.vector, coalesce(v.votes, 0), coalesce(v.view, 0), f.voted
FROM (SELECT number, bool_or(voted) AS voted FROM found GROUP BY number) f
CROSS JOIN LATERAL (
    SELECT i.image_id, i.vector FROM {images} i WHERE i.number = f.number OFFSET 0
) i
LEFT JOIN voted v ON v.image = f.number
"""


def build_indexed(alias: str) -> str:
    """Return the expression of the HNSW index."""
    steady = count_steady()
    return f"(substring({alias}.signs FROM 1 FOR {steady})::bit({steady}))"


class _Found(NamedTuple):
    image_id: str
    vector: bytes
    votes: float
    view: int
    #: Whether it is among those with the most votes.
    voted: bool


def find_candidates(
    cursor: CursorWrapper,
    collection: NumberedCollection,
    query: CandidateQuery,
    options: SearchOptions,
) -> list[Candidate]:
    """Return the best of each stage; see ``OutsideIndex``.

    Args:
        cursor: of ``open_search``.
        collection: which one.
        query: the query.
        options: what the project has chosen.
    """
    limit = max(0, query.limit)
    filters = IdFilter(query.allowed, query.without)
    if limit == 0 or (query.allowed is not None and not query.allowed):
        return []
    few = filters.allows_few(options.exact)
    values = {
        "images": IMAGES,
        "number": collection.number,
        "condition": filters.build_condition("i", looked_up=few),
    }
    parameters = {**filters.get_parameters(), "limit": limit}
    near = _NO_IMAGE
    if len(query.probes):
        signs = sorted(set(format_signs(query.probes)))
        steady = count_steady()
        by_index = collection.indexed and not few
        searched = min(MOST_SEARCHED, max(options.shortlist, 2 * limit))
        parameters["shortlist"] = max(searched, limit)
        parameters["steady"] = format_array(sorted({one[:steady] for one in signs}))
        if by_index:
            _set_search(cursor, searched, filters)
        compared = (_BY_INDEX if by_index else _ALL).format(
            **values, steady=steady, indexed=build_indexed("i")
        )
        distances = ", ".join(f"i.signs <~> B'{one}'" for one in signs)
        near = _NEAR.format(compared=compared, distances=distances)
    keys = _format_keys(query, collection.number)
    parameters |= keys
    voted = _VOTED if keys else _NO_VOTES
    cursor.execute(_FIND.format(**values, allowed=ALLOWED, near=near, voted=voted), parameters)
    return _select_best([_Found(*row) for row in cursor.fetchall()], query)


def _set_search(cursor: CursorWrapper, searched: int, filters: IdFilter) -> None:
    settings: dict[str, str | int] = {"hnsw.ef_search": searched}
    if filters.allowed is not None and (find_version(cursor) or OLDEST) >= ITERATIVE:
        # Until enough of those that it finds are allowed.
        settings["hnsw.iterative_scan"] = "relaxed_order"
    apply_settings(cursor, settings)


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
