"""Find the images whose embeddings are closest to one, in portions.

A ``halfvec`` holds values of int8 exactly, and sums of some hundred of their products are exact,
too. So the cosines are those of ``memory.closest``, and equal ones come by id.

Without an HNSW index, all embeddings are compared. With one, this reads as many as pgvector looks
through at once, several times as many as the first portions have; then it compares all others. So
there the order is exact within a portion, and nearly exact from one to the next.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from django_visualsnoop.engine.index.base import DECIMALS, CloseImage
from django_visualsnoop.engine.index.memory.closest import FIRST_PORTION, GROWTH
from django_visualsnoop.engine.index.pgvector.candidates import MOST_SEARCHED
from django_visualsnoop.engine.index.pgvector.collections import find_collection
from django_visualsnoop.engine.index.pgvector.connection import apply_settings, open_search
from django_visualsnoop.engine.index.pgvector.tables import EMBEDDINGS
from django_visualsnoop.engine.index.pgvector.writing import format_vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.utils import CursorWrapper
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.pgvector.filters import IdFilter

#: The cosine as ``numpy.round`` rounds it; 0 for a zero vector.
_COSINE = f"""
coalesce(round(-(e.vector <#> %(probe)s::halfvec)
    / nullif(sqrt(power(l2_norm(e.vector), 2) * %(square)s), 0) * 1e{DECIMALS}::float8)
    / 1e{DECIMALS}::float8, 0)
"""
_ALL = """
SELECT e.image_id, {cosine} AS cosine FROM {embeddings} e
WHERE e.collection = {number} AND vector_dims(e.vector) = {width}{condition}
"""
#: The expression and the condition are those of the index; see ``maintenance``.
_BY_INDEX = """
SELECT e.image_id, {cosine} AS cosine FROM (
    SELECT e.image_id, e.vector FROM {embeddings} e
    WHERE e.collection = {number}{condition}
    ORDER BY e.vector::halfvec({width}) <=> %(probe)s::halfvec({width}) LIMIT %(searched)s
) e
"""
_PORTION = """
SELECT image_id, cosine FROM ({compared}) e WHERE cosine >= %(min_cosine)s
    AND (%(last)s::float8 IS NULL OR (-cosine, image_id) > (-%(last)s::float8, %(last_id)s))
    AND image_id <> ALL(%(taken)s::text[])
ORDER BY cosine DESC, image_id LIMIT %(size)s
"""


def get_vector(
    cursor: CursorWrapper, collection_id: str, model: str, image_id: str
) -> NDArray[np.int8] | None:
    """Return the embedding of an image, or ``None``."""
    collection = find_collection(cursor, collection_id, model)
    if collection is None:
        return None
    cursor.execute(
        f"SELECT vector::text FROM {EMBEDDINGS} WHERE collection = %s AND image_id = %s",
        [collection.number, image_id],
    )
    row = cursor.fetchone()
    return None if row is None else np.array(row[0][1:-1].split(","), np.float32).astype(np.int8)


def iter_closest(
    database: str,
    collection_id: str,
    model: str,
    probe: NDArray[np.int8],
    filters: IdFilter,
    min_cosine: float,
    exact: int,
) -> Iterator[list[CloseImage]]:
    """Yield the closest images; see ``VectorIndex``.

    Each portion is a search of its own, so that no transaction is open meanwhile.
    """
    if filters.allowed is not None and not filters.allowed:
        return
    values = probe.astype(np.int64)
    parameters: dict[str, Any] = {
        **filters.get_parameters(),
        "probe": format_vector(probe.tobytes()),
        "square": float(values @ values),
        "min_cosine": min_cosine,
        "searched": MOST_SEARCHED,
        "taken": [],
        "last": None,
        "last_id": "",
    }
    taken: list[str] = []
    total = 0
    by_index = bool(values.any())  # an angle with nothing has no order
    for number in count():
        size = FIRST_PORTION * GROWTH**number
        total += size
        with open_search(database) as cursor:
            collection = find_collection(cursor, collection_id, model)
            if collection is None:
                return
            by_index = (
                by_index
                and collection.indexed
                and 2 * total <= MOST_SEARCHED
                and not filters.allows_few(exact)
            )
            if by_index:
                apply_settings(cursor, {"hnsw.ef_search": MOST_SEARCHED})
            compared = (_BY_INDEX if by_index else _ALL).format(
                cosine=_COSINE,
                embeddings=EMBEDDINGS,
                number=collection.number,
                width=len(probe),
                condition=filters.build_condition("e", looked_up=True),
            )
            parameters |= {"taken": taken, "size": size}
            cursor.execute(_PORTION.format(compared=compared), parameters)
            portion = [CloseImage(*row) for row in cursor.fetchall()]
        if by_index:
            taken += [one.image_id for one in portion]
            # The index may lack the rest.
            by_index = len(portion) == size
        elif portion:
            parameters |= {"last": portion[-1].cosine, "last_id": portion[-1].image_id}
        else:
            return
        if portion:
            yield portion
