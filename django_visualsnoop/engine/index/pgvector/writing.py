"""Write and delete entries.

Statements that change entries lock their rows first, in the order of ``row_id``, so that two
writers of the same entries wait for each other and do not deadlock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, Descriptor
from django_visualsnoop.engine.index.pgvector.collections import get_or_create_number
from django_visualsnoop.engine.index.pgvector.encoding import (
    build_mixed_keys,
    format_array,
    format_signs,
    parse_descriptor,
)
from django_visualsnoop.engine.index.pgvector.tables import EMBEDDINGS, IMAGES, POSTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.backends.utils import CursorWrapper
    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.base import IndexEntry

#: Entries written together.
_TOGETHER = 200

_FIND = f"""
SELECT row_id, number, image_id, stamp, vector, keys FROM {IMAGES}
WHERE collection = %s AND row_id = ANY(%s::bigint[]) ORDER BY row_id FOR UPDATE
"""
_VALUES = f"""
SELECT e.row_id, e.stamp, e.image_id, e.signs,
    CASE WHEN e.signs IS NOT NULL
        THEN substring(%(vectors)s::bytea FROM (e.place::int - 1) * {DIMENSIONS} + 1
            FOR {DIMENSIONS}) END AS vector,
    e.keys::int[] AS keys
FROM unnest(%(row_ids)s::bigint[], %(stamps)s::bigint[], %(image_ids)s::text[],
    %(signs)s::bit(256)[], %(keys)s::text[])
    WITH ORDINALITY AS e (row_id, stamp, image_id, signs, keys, place)
"""
_INSERT = f"""
INSERT INTO {IMAGES} (collection, row_id, stamp, image_id, signs, vector, keys)
SELECT %(collection)s, v.* FROM ({_VALUES}) v
ON CONFLICT (collection, row_id) DO NOTHING RETURNING row_id, number
"""
_UPDATE = f"""
UPDATE {IMAGES} i SET stamp = v.stamp, image_id = v.image_id, signs = v.signs, vector = v.vector,
    keys = v.keys
FROM ({_VALUES}) v WHERE i.collection = %(collection)s AND i.row_id = v.row_id
"""
_INSERT_POSTINGS = f"""
INSERT INTO {POSTINGS} (key, image, code)
SELECT * FROM unnest(%s::int[], %s::int[], %s::bigint[])
"""
#: By their places, so that no plan reads the whole table.
_DELETE_POSTINGS = f"""
DELETE FROM {POSTINGS} WHERE ctid = ANY (ARRAY(
    SELECT p.ctid
    FROM {IMAGES} i CROSS JOIN LATERAL (SELECT DISTINCT key FROM unnest(i.keys) AS k (key)) k
    CROSS JOIN LATERAL (
        SELECT ctid FROM {POSTINGS} WHERE key = k.key AND image = i.number OFFSET 0
    ) p
    WHERE i.number = ANY (%s::int[])
))
"""
_INSERT_EMBEDDINGS = f"""
INSERT INTO {EMBEDDINGS} (collection, image, image_id, vector)
SELECT * FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[]::halfvec[])
"""


class _Row(NamedTuple):
    entry: IndexEntry
    descriptor: Descriptor | None
    #: Mixed keys of the features.
    keys: NDArray[np.int32]

    @property
    def vector(self) -> bytes | None:
        return None if self.descriptor is None else self.descriptor.vector.tobytes()


class _Stored(NamedTuple):
    number: int
    image_id: str
    stamp: int
    vector: bytes | None
    keys: list[int]

    def equals(self, row: _Row) -> bool:
        """Whether writing the row would change nothing."""
        return (
            self.stamp == row.entry.stamp
            and self.image_id == row.entry.image_id
            and self.keys == row.keys.tolist()
            and (None if self.vector is None else bytes(self.vector)) == row.vector
        )


def upsert(cursor: CursorWrapper, collection_id: str, entries: Sequence[IndexEntry]) -> None:
    """Add or replace entries; see ``OutsideIndex``."""
    collection = get_or_create_number(cursor, collection_id)
    last = {entry.row_id: entry for entry in entries}
    models = {
        model: get_or_create_number(cursor, collection_id, model)
        for model in sorted({one.embedding_model for one in last.values() if one.embedding})
    }
    ordered = [last[row_id] for row_id in sorted(last)]
    for start in range(0, len(ordered), _TOGETHER):
        rows = [_build_row(entry, collection) for entry in ordered[start : start + _TOGETHER]]
        _write(cursor, collection, models, rows)


def _build_row(entry: IndexEntry, collection: int) -> _Row:
    descriptor = parse_descriptor(entry.descriptor)
    keys = np.empty(0, np.int32)
    if descriptor is not None:
        keys = build_mixed_keys(descriptor, collection)
    return _Row(entry, descriptor, keys)


def _write(
    cursor: CursorWrapper, collection: int, models: dict[str, int], rows: list[_Row]
) -> None:
    while rows:
        stored = _find(cursor, collection, [row.entry.row_id for row in rows])
        changed = [
            row
            for row in rows
            if row.entry.row_id in stored and not stored[row.entry.row_id].equals(row)
        ]
        numbers = {row.entry.row_id: stored[row.entry.row_id].number for row in changed}
        if changed:
            _delete_parts(cursor, numbers.values())
            cursor.execute(_UPDATE, _format_rows(collection, changed))
        new = [row for row in rows if row.entry.row_id not in stored]
        if new:
            cursor.execute(_INSERT, _format_rows(collection, new))
            numbers.update(cursor.fetchall())
        written = [row for row in rows if row.entry.row_id in numbers]
        _insert_parts(cursor, models, written, [numbers[row.entry.row_id] for row in written])
        # Another writer has just added the others.
        rows = [row for row in new if row.entry.row_id not in numbers]


def _find(cursor: CursorWrapper, collection: int, row_ids: Sequence[int]) -> dict[int, _Stored]:
    cursor.execute(_FIND, [collection, format_array(row_ids)])
    return {row_id: _Stored(*values) for row_id, *values in cursor.fetchall()}


def _format_rows(collection: int, rows: Sequence[_Row]) -> dict[str, Any]:
    blank = np.zeros(DIMENSIONS, np.int8)
    vectors = np.stack([blank if one.descriptor is None else one.descriptor.vector for one in rows])
    signs = format_signs(vectors)
    return {
        "collection": collection,
        "row_ids": format_array(row.entry.row_id for row in rows),
        "stamps": format_array(row.entry.stamp for row in rows),
        "image_ids": [row.entry.image_id for row in rows],
        "signs": format_array(
            "NULL" if row.descriptor is None else one for row, one in zip(rows, signs, strict=True)
        ),
        "vectors": vectors.tobytes(),
        "keys": [format_array(row.keys) for row in rows],
    }


def _insert_parts(
    cursor: CursorWrapper, models: dict[str, int], rows: Sequence[_Row], numbers: Sequence[int]
) -> None:
    """Insert the postings and the embeddings of images."""
    described = [
        (row.keys, row.descriptor.codes, number)
        for row, number in zip(rows, numbers, strict=True)
        if row.descriptor is not None and len(row.keys)
    ]
    if described:
        keys = np.concatenate([keys for keys, _, _ in described])
        codes = np.concatenate([codes for _, codes, _ in described]).view(np.int64)
        images = np.repeat(
            [number for _, _, number in described], [len(keys) for keys, _, _ in described]
        )
        cursor.execute(_INSERT_POSTINGS, [*map(format_array, (keys, images, codes))])
    embedded = [
        (models[row.entry.embedding_model], number, row.entry)
        for row, number in zip(rows, numbers, strict=True)
        if row.entry.embedding
    ]
    if embedded:
        cursor.execute(
            _INSERT_EMBEDDINGS,
            [
                format_array(model for model, _, _ in embedded),
                format_array(number for _, number, _ in embedded),
                [entry.image_id for _, _, entry in embedded],
                [format_vector(entry.embedding or b"") for _, _, entry in embedded],
            ],
        )


def format_vector(content: bytes) -> str:
    """Return the text of a ``halfvec`` for int8 values, which it holds exactly."""
    return str(np.frombuffer(content, np.int8).tolist())


def delete(cursor: CursorWrapper, collection: int, row_ids: Sequence[int]) -> None:
    """Remove entries; see ``OutsideIndex``."""
    numbers = [one.number for one in _find(cursor, collection, sorted(row_ids)).values()]
    if numbers:
        delete_images(cursor, numbers)


def delete_images(cursor: CursorWrapper, numbers: Sequence[int]) -> None:
    """Delete images by their numbers, and all that belongs to them."""
    _delete_parts(cursor, numbers)
    cursor.execute(f"DELETE FROM {IMAGES} WHERE number = ANY(%s::int[])", [format_array(numbers)])


def _delete_parts(cursor: CursorWrapper, numbers: Iterable[int]) -> None:
    array = format_array(numbers)
    cursor.execute(_DELETE_POSTINGS, [array])
    cursor.execute(f"DELETE FROM {EMBEDDINGS} WHERE image = ANY(%s::int[])", [array])
