"""Write entries, and remove them."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from django_visualsnoop.common.batches import batched
from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, Descriptor
from django_visualsnoop.engine.index.milvus.connection import CollectionMissing
from django_visualsnoop.engine.index.milvus.filters import (
    build_image_key,
    build_primary_key,
    select_collection,
    select_rows,
)
from django_visualsnoop.engine.index.milvus.keys import build_sparse_vector
from django_visualsnoop.engine.index.milvus.schema import prepare_embeddings, read_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.engine.index.base import IndexEntry
    from django_visualsnoop.engine.index.milvus.connection import Connection
    from django_visualsnoop.engine.index.milvus.schema import Names

logger = logging.getLogger("django_visualsnoop.engine")

#: Number of entries in one request; one with an embedding of 4,096 values takes 20 kB.
TOGETHER = 500


def upsert(
    connection: Connection, names: Names, collection_id: str, entries: Sequence[IndexEntry]
) -> None:
    """Add or replace entries.

    The entry with the stamp comes last. If a process stops before, a comparison of stamps finds
    that the entry must be written again.
    """
    # A server refuses a primary key twice in one request.
    latest = list({entry.row_id: entry for entry in entries}.values())
    for some in batched(latest, TOGETHER):
        _write_embeddings(connection, names, collection_id, some)
        rows = [_build_image(collection_id, entry) for entry in some]
        connection.call("upsert", names.images, data=rows)


def delete(
    connection: Connection, names: Names, collection_id: str, row_ids: Sequence[int]
) -> None:
    """Remove entries; those that do not exist are skipped."""
    if not row_ids:
        return
    tables = [*map(names.get_embeddings, names.list_models(connection)), names.images]
    for some in batched(row_ids, TOGETHER):
        for table in tables:
            _delete(connection, table, select_rows(collection_id, some))


def drop(connection: Connection, names: Names, collection_id: str) -> None:
    """Remove all entries of a collection."""
    for table in [*map(names.get_embeddings, names.list_models(connection)), names.images]:
        _delete(connection, table, select_collection(collection_id))


def _delete(connection: Connection, table: str, expression: str) -> None:
    with suppress(CollectionMissing):
        connection.call("delete", table, filter=expression)


def _write_embeddings(
    connection: Connection, names: Names, collection_id: str, entries: Sequence[IndexEntry]
) -> None:
    """Write the embeddings of entries, and remove those that they had of other models."""
    by_model: dict[str, dict[int, dict[str, Any]]] = {}
    for entry in entries:
        if entry.embedding:
            row = _build_row(collection_id, entry)
            row["vector"] = np.frombuffer(entry.embedding, dtype=np.int8).astype(np.float32)
            by_model.setdefault(entry.embedding_model, {})[entry.row_id] = row
    for model in {*names.list_models(connection), *by_model}:
        table, rows = names.get_embeddings(model), by_model.get(model, {})
        written = _upsert_embeddings(connection, names, model, rows) if rows else set()
        others = [entry.row_id for entry in entries if entry.row_id not in written]
        if others:
            _delete(connection, table, select_rows(collection_id, others))


def _upsert_embeddings(
    connection: Connection, names: Names, model: str, rows: dict[int, dict[str, Any]]
) -> set[int]:
    """Write embeddings of one model; return the rows with one of the model's length."""
    table = names.get_embeddings(model)
    try:
        width = read_width(connection, table)
    except CollectionMissing:
        width = len(next(iter(rows.values()))["vector"])
        prepare_embeddings(connection, names, model, width)
    fitting = {row_id: row for row_id, row in rows.items() if len(row["vector"]) == width}
    if len(fitting) < len(rows):
        number = len(rows) - len(fitting)
        logger.warning(
            "%d %s another length than the %d values of the others of the model. Searches for "
            "similar images do not find them.",
            number,
            "embedding has" if number == 1 else "embeddings have",
            width,
        )
    if fitting:
        connection.call("upsert", table, data=list(fitting.values()))
    return set(fitting)


def _build_row(collection_id: str, entry: IndexEntry) -> dict[str, Any]:
    return {
        "pk": build_primary_key(collection_id, entry.row_id),
        "collection_id": collection_id,
        "row_id": entry.row_id,
        "image_id": entry.image_id,
        "image_key": build_image_key(entry.image_id),
    }


def _build_image(collection_id: str, entry: IndexEntry) -> dict[str, Any]:
    row = _build_row(collection_id, entry)
    if entry.descriptor is None:
        descriptor, vector = None, np.zeros(DIMENSIONS, dtype=np.float32)
    else:
        descriptor = Descriptor.from_bytes(entry.descriptor)
        vector = descriptor.vector.astype(np.float32)
    row["stamp"] = entry.stamp
    row["embedding_model"] = entry.embedding_model if entry.embedding else ""
    row["has_descriptor"] = descriptor is not None
    row["vector"] = vector
    row["keys"] = build_sparse_vector(descriptor)
    return row
