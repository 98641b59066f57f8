"""Walk over the postings of a collection once, in the order of their keys, for pairs of images.

A key starts with the word, so the postings of some words are one range of the B-tree, also after
mixing. Their codes are compared as ``memory.join`` compares them, and yield the same votes. Each
range of words takes one statement, so no transaction stays open, and a walk that was interrupted
goes on with the next range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.local_features import (
    MIRRORED_CODE,
    MIRRORED_WORD,
    WORDS,
)
from django_visualsnoop.engine.index.keys import CODE_BITS
from django_visualsnoop.engine.index.memory.join import Mirror, find_voting_pairs
from django_visualsnoop.engine.index.memory.merge import Postings
from django_visualsnoop.engine.index.pgvector.collections import find_collection
from django_visualsnoop.engine.index.pgvector.connection import open_search
from django_visualsnoop.engine.index.pgvector.encoding import format_array, mix_keys
from django_visualsnoop.engine.index.pgvector.tables import IMAGES, POSTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.utils import CursorWrapper
    from numpy.typing import NDArray

#: Words of a range. A word and its mirrored one differ in one bit below.
RANGE = 8192
#: Number of ranges of a whole walk.
RANGES = WORDS // RANGE

#: Bytes of a posting as ``_READ`` returns it: big-endian, as all numbers that PostgreSQL sends.
_POSTING = np.dtype([("key", ">i4"), ("image", ">i4"), ("code", ">i8")])
_READ = f"""
SELECT string_agg(int4send(key) || int4send(image) || int8send(code), ''::bytea)
FROM {POSTINGS} WHERE key BETWEEN %s AND %s
"""
#: Parts of a range that are read one by one: a value of PostgreSQL has at most 1 GB.
_PARTS = 16


class VotingPairs(NamedTuple):
    """n pairs of images that agree in some features of a range of words.

    A pair may be in several ranges; its votes add up.
    """

    #: The walk goes on with the next one.
    range_number: int
    #: n; see ``pair_counts.build_pair_keys``: of the numbers of the images in the index.
    keys: NDArray[np.uint64]
    #: n; up to ``FARTHEST`` + 1 for each feature.
    votes: NDArray[np.int64]


def iter_voting_pairs(
    database: str, collection_id: str, first_range: int = 0
) -> Iterator[VotingPairs]:
    """Yield the pairs of a collection, one range of words at a time.

    This needs memory for 4 bytes per image, and for the postings of a range: 1 of 128. It reads the
    postings of all collections in the database.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        first_range: 0 to ``RANGES``; the number of the range to begin with.
    """
    for number in range(first_range, RANGES):
        with open_search(database) as cursor:
            collection = find_collection(cursor, collection_id)
            if collection is None:
                return
            if number == first_range:
                images = _read_images(cursor, collection.number)
            postings = _read_range(cursor, collection.number, number, images)
        mirror = Mirror(MIRRORED_WORD, MIRRORED_CODE)
        yield VotingPairs(number, *find_voting_pairs(postings, mirror))


def name_images(database: str, numbers: NDArray[np.intp]) -> dict[int, str]:
    """Return the ids of images by their numbers, without those that are gone."""
    with open_search(database) as cursor:
        cursor.execute(
            f"SELECT number, image_id FROM {IMAGES} WHERE number = ANY(%s::int[])",
            [format_array(np.unique(numbers))],
        )
        return dict(cursor.fetchall())


def _read_images(cursor: CursorWrapper, collection: int) -> NDArray[np.int32]:
    """Return the numbers of a collection's images, sorted."""
    cursor.execute(
        f"SELECT string_agg(int4send(number), ''::bytea) FROM {IMAGES} WHERE collection = %s",
        [collection],
    )
    return np.sort(np.frombuffer(bytes(cursor.fetchone()[0] or b""), ">i4").astype(np.int32))


def _read_range(
    cursor: CursorWrapper, collection: int, number: int, images: NDArray[np.int32]
) -> Postings:
    """Return the postings of a range of words that are of some images."""
    size = RANGE << CODE_BITS
    starts = np.arange(_PARTS, dtype=np.int64) * (size // _PARTS) + number * size
    parts = []
    # Mixing turns a part of the range, which starts at a multiple of its size, into another one.
    for start in starts:
        ends = mix_keys(np.array([start, start + size // _PARTS - 1]), collection)
        mixed = ends.view(np.uint32) & ~np.uint32(size // _PARTS - 1)
        first = int(mixed[:1].view(np.int32)[0])
        cursor.execute(_READ, [first, first + size // _PARTS - 1])
        parts.append(bytes(cursor.fetchone()[0] or b""))
    found = np.frombuffer(b"".join(parts), _POSTING)
    image = found["image"].astype(np.int32)
    place = np.searchsorted(images, image)
    mine = np.zeros(len(found), dtype=np.bool_)
    mine[place < len(images)] = images[place[place < len(images)]] == image[place < len(images)]
    found, image = found[mine], image[mine]
    keys = mix_keys(found["key"].astype(np.int32).view(np.uint32), collection).view(np.uint32)
    words = (keys >> np.uint32(CODE_BITS)).astype(np.int64) - number * RANGE
    order = np.lexsort((image, words))
    return Postings(
        np.bincount(words, minlength=RANGE),
        image[order].astype(np.intp),
        found["code"].astype(np.int64).view(np.uint64)[order],
    )
