"""Find the images whose embeddings are closest to one, in portions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.index.base import DECIMALS, CloseImage
from django_visualsnoop.engine.index.milvus.candidates import MOST
from django_visualsnoop.engine.index.milvus.connection import CollectionMissing
from django_visualsnoop.engine.index.milvus.filters import (
    select_collection,
    select_images,
)
from django_visualsnoop.engine.index.milvus.reading import count, iter_pages
from django_visualsnoop.engine.index.milvus.schema import read_width

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.milvus.connection import Connection
    from django_visualsnoop.engine.index.milvus.schema import Names

#: Images of the first portion; each of the others has ``GROWTH`` times as many as the one before.
FIRST_PORTION = 100
GROWTH = 4
#: The size of the lists that a search in Milvus keeps while it walks through the graph, at least.
_EF = 200


class Embeddings:
    """The embeddings of one model in one collection.

    Args:
        connection: the server.
        names: the names of its collections.
        collection_id: id of our collection.
        model: ``embedding.hash_identity`` of the model.
        consistency: the consistency level of searches.
    """

    def __init__(
        self, connection: Connection, names: Names, collection_id: str, model: str, consistency: str
    ) -> None:
        self._connection = connection
        self._names = names
        self._table = names.get_embeddings(model)
        self._collection_id = collection_id
        self._model = model
        self._consistency = consistency

    def get_vector(self, image_id: str) -> NDArray[np.int8] | None:
        """Return the embedding of an image, or ``None``."""
        expression = select_images(self._collection_id, [image_id], ())[0]
        try:
            rows = self._connection.call(
                "query",
                self._table,
                filter=expression,
                output_fields=["row_id", "image_id", "vector"],
                consistency_level=self._consistency,
            )
        except CollectionMissing as error:
            self._check_missing(error)
            return None
        # An id that was deleted and added again may have the entry of the old row for a while.
        found = [row for row in rows if row["image_id"] == image_id]
        if not found:
            return None
        return _to_vector(max(found, key=lambda row: int(row["row_id"]))["vector"])

    def iter_closest(
        self,
        probe: NDArray[np.int8],
        allowed: Collection[str] | None,
        without: Collection[str],
        min_cosine: float,
    ) -> Iterator[list[CloseImage]]:
        """Yield the closest images in portions; see ``VectorIndex``.

        Each portion comes from a search for all images so far and some more. What lies beyond the
        ``MOST`` that Milvus returns is compared here, after all portions before it.
        """
        expressions = select_images(self._collection_id, allowed, without)
        try:
            if not expressions or read_width(self._connection, self._table) != len(probe):
                return
        except CollectionMissing as error:
            self._check_missing(error)
            return
        seen: set[str] = set()
        total = size = FIRST_PORTION
        next_size = FIRST_PORTION
        while total <= MOST:
            hits = [hit for one in expressions for hit in self._search(probe, one, total)]
            closest = _rank(hits)[:total]
            if len(closest) < total and self._have_all(len(closest), expressions):
                break
            least = closest[-1].cosine if closest else 1.0
            # Of images as close as the last one, some may be missing.
            portion = _select(closest, seen, max(min_cosine, np.nextafter(least, 2)))
            if portion:
                yield portion
                next_size *= GROWTH
            if least < min_cosine:
                return
            size *= GROWTH
            total += size
        else:
            closest = self._compare_all(probe, expressions)
        rest = _select(closest, seen, min_cosine)
        while rest:
            yield rest[:next_size]
            rest = rest[next_size:]
            next_size *= GROWTH

    def _search(self, probe: NDArray[np.int8], expression: str, limit: int) -> list[CloseImage]:
        (hits,) = self._connection.call(
            "search",
            self._table,
            data=[probe.astype(np.float32).tolist()],
            anns_field="vector",
            filter=expression,
            limit=limit,
            search_params={"params": {"ef": max(_EF, limit)}},
            output_fields=["image_id", "vector"],
            consistency_level=self._consistency,
        )
        return _compare([hit["entity"] for hit in hits], probe)

    def _have_all(self, number: int, expressions: Sequence[str]) -> bool:
        """Return whether so many images are all; a walk through a graph may miss some."""
        return number >= sum(count(self._connection, self._table, one) for one in expressions)

    def _compare_all(self, probe: NDArray[np.int8], expressions: Sequence[str]) -> list[CloseImage]:
        found: list[CloseImage] = []
        for expression in expressions:
            for page in iter_pages(
                self._connection, self._table, expression, ["image_id", "vector"]
            ):
                found += _compare(page, probe)
        return _rank(found)

    def _check_missing(self, error: CollectionMissing) -> None:
        """Raise an error if images have embeddings that the server has lost.

        Without any embedding of a model, its collection does not exist.
        """
        expression = (
            f"{select_collection(self._collection_id)} and embedding_model == '{self._model}'"
        )
        if count(self._connection, self._names.images, expression):
            raise IndexUnavailable(
                f"Milvus has lost the embeddings of the images. To write them again, type: python "
                f"manage.py visualsnoop_move_index ALIAS --drop milvus, and then: python manage.py "
                f"visualsnoop_move_index ALIAS --to milvus ({error})"
            )


def _compare(rows: Sequence[Any], probe: NDArray[np.int8]) -> list[CloseImage]:
    """Return the cosines of rows, exactly: equal vectors have equal ones, and 0 without length."""
    if not rows:
        return []
    vectors = np.rint([row["vector"] for row in rows])
    values = probe.astype(np.float64)
    # ``einsum`` wakes no threads; see ``matmul``.
    products = np.einsum("nk,k->n", vectors, values)
    lengths = np.sqrt(np.einsum("nk,nk->n", vectors, vectors) * np.square(values).sum())
    cosines = np.divide(products, lengths, out=np.zeros(len(rows)), where=lengths > 0)
    ids = [row["image_id"] for row in rows]
    return list(map(CloseImage, ids, cosines.round(DECIMALS).tolist()))


def _rank(images: list[CloseImage]) -> list[CloseImage]:
    return sorted(images, key=lambda one: (-one.cosine, one.image_id))


def _select(closest: Sequence[CloseImage], seen: set[str], min_cosine: float) -> list[CloseImage]:
    """Return the images that have not been seen before, and add them to those that have."""
    found = []
    for one in closest:
        if one.cosine >= min_cosine and one.image_id not in seen:
            seen.add(one.image_id)
            found.append(one)
    return found


def _to_vector(values: Sequence[float]) -> NDArray[np.int8]:
    vector: NDArray[np.int8] = np.rint(values).astype(np.int8)
    return vector
