"""Read rows as entries of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.descriptors.descriptor import COMPARABLE, count_features
from django_visualsnoop.engine.index.base import IndexEntry
from django_visualsnoop.engine.index.stamps import compute_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet

    from django_visualsnoop.engine.models import IndexedImage

_STAMPED = ("digest", "version", "embedding_model", "embedding_digest")


class RowStamp(NamedTuple):
    """The state of a row."""

    row_id: int
    seq: int | None
    #: ``compute_stamp``.
    stamp: int


class Row(NamedTuple):
    """A row as an index takes it."""

    row_id: int
    seq: int | None
    #: ``None`` if the image was deleted, or has nothing that can be compared.
    entry: IndexEntry | None


def read_stamps(rows: QuerySet[IndexedImage]) -> Iterator[RowStamp]:
    """Yield the stamps of rows, in their order."""
    for row_id, seq, *stamped in rows.values_list("pk", "seq", *_STAMPED):
        yield RowStamp(row_id, seq, compute_stamp(*stamped))


def read_rows(rows: QuerySet[IndexedImage]) -> Iterable[Row]:
    """Return rows, in their order."""
    columns = ("pk", "seq", "image_id", "deleted", "vector", "embedding", *_STAMPED)
    return [_build_row(*values) for values in rows.values_list(*columns)]


def _build_row(
    row_id: int,
    seq: int | None,
    image_id: str,
    deleted: int | None,
    vector: bytes,
    embedding: bytes | None,
    digest: str,
    version: int,
    embedding_model: str,
    embedding_digest: str,
) -> Row:
    if deleted is not None:
        return Row(row_id, seq, None)
    descriptor = _check_descriptor(bytes(vector)) if version in COMPARABLE else None
    # A release without embeddings replaces the picture but leaves the old picture's embedding.
    if embedding is None or embedding_digest != digest:
        model, values = "", None
    else:
        model, values = embedding_model, bytes(embedding)
    if descriptor is None and values is None:
        return Row(row_id, seq, None)
    stamp = compute_stamp(digest, version, embedding_model, embedding_digest)
    return Row(row_id, seq, IndexEntry(row_id, image_id, descriptor, model, values, stamp))


def _check_descriptor(content: bytes) -> bytes | None:
    """Return the bytes of a descriptor; ``None`` if they are broken."""
    try:
        count_features(content)
    except ValueError:
        return None
    return content
