"""The vectors of a large collection once more, in few large rows, for processes that start.

To read a row for each image takes a new process half a minute among a million images; to read their
ids and vectors alone, from *blocks* of some thousand images, a second or two. Until it has read the
rows, a process searches by these (see ``memory``). Like a snapshot, blocks say the number up to
which they hold all rows. Were they wrong, a copy might be missed for so long; none could be made
up, since candidates are compared by what their rows hold.
"""

from __future__ import annotations

import logging
import struct
import threading
import time
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from django.db import DatabaseError, connections, transaction

from django_visualsnoop.engine import describe
from django_visualsnoop.engine.descriptor import DIMENSIONS
from django_visualsnoop.engine.index.ids import Ids, joined_ids
from django_visualsnoop.engine.index.segment import of_vectors, room
from django_visualsnoop.engine.models import Block, Collection, IndexedImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.merge import Part
    from django_visualsnoop.engine.index.segment import Segment

logger = logging.getLogger("django_visualsnoop.engine")

#: Smaller collections are read from their rows within two seconds, local features and all.
LEAST = 50_000
#: Blocks are written anew once so large a share of the images was written since.
CHANGED = 0.1
#: Images in a block: some 1.2 MB, which every database takes in one statement.
IMAGES = 4096
#: A process that writes them has so long; then another may.
_CLAIM_SECONDS = 600.0
#: Blocks read by one query.
_TOGETHER = 16

#: Version of the descriptor, blocks in all, images in this one, bytes of their ids, CRC-32 of the
#: rest; little-endian, as are the arrays.
_HEADER = struct.Struct("<HIIII")


class _Content(NamedTuple):
    ids: Ids
    #: n x ``DIMENSIONS``
    vectors: NDArray[np.int8]


def load(database: str, collection_id: str, seq: int) -> Segment | None:
    """Return the images of all blocks, without local features; ``None`` if some is not as written.

    Args:
        database: alias in ``DATABASES``.
        collection_id: of the collection.
        seq: its ``blocks_seq``.
    """
    blocks = Block.objects.using(database).filter(collection_id=collection_id, seq=seq)
    found: list[_Content] = []
    total = 1
    try:
        while len(found) < total:
            first = len(found)
            some = blocks.filter(place__gte=first, place__lt=first + _TOGETHER)
            for content in some.order_by("place").values_list("content", flat=True):
                total, one = _read(bytes(content))
                found.append(one)
            if len(found) == first:
                raise ValueError(f"there are {first} of {total}")
    except ValueError as error:
        logger.warning("The blocks of collection %s are not used: %s", collection_id, error)
        return None
    ids = joined_ids([(ids, np.arange(len(ids.ends))) for ids, _ in found])
    vectors = room(len(ids.ends), DIMENSIONS, np.int8)
    bounds = np.cumsum([0, *(len(one.vectors) for one in found)]).tolist()
    for (start, end), one in zip(pairwise(bounds), found, strict=True):
        vectors[start:end] = one.vectors
    return of_vectors(ids, vectors, describe.steady_first())


def save(
    database: str, collection_id: str, seq: int, horizon: int, parts: Sequence[Part]
) -> threading.Thread:
    """Write the blocks anew if it is time to, in a thread. Failing is logged, and harmless.

    Args:
        database: alias in ``DATABASES``.
        collection_id: of the collection.
        seq: the number up to which all rows are in ``parts``.
        horizon: of the collection.
        parts: the images.
    """

    def run() -> None:
        try:
            if _claimed(database, collection_id, seq, horizon, parts):
                _write(database, collection_id, seq, parts)
        except DatabaseError as error:
            logger.warning("The blocks of collection %s were not written: %s", collection_id, error)
        finally:
            connections[database].close()

    thread = threading.Thread(target=run, name="visualsnoop-blocks", daemon=True)
    thread.start()
    return thread


def _claimed(
    database: str, collection_id: str, seq: int, horizon: int, parts: Sequence[Part]
) -> bool:
    """Return whether enough has changed, and no other process is at it."""
    now = int(time.time() * 1_000_000)
    free = Collection.objects.using(database).filter(
        pk=collection_id,
        blocks_seq__lt=seq,
        blocks_claimed__lt=now - int(_CLAIM_SECONDS * 1_000_000),
    )
    before = free.values_list("blocks_seq", flat=True).first()
    if before is None:
        return False
    if before >= horizon and before:
        enough = int(CHANGED * sum(np.count_nonzero(part.kept) for part in parts))
        rows = IndexedImage.objects.using(database).filter(collection_id=collection_id)
        changed = rows.filter(seq__gt=before).values_list("pk", flat=True)[: enough + 1].count()
        if changed <= enough:
            return False
    return bool(free.update(blocks_claimed=now))


def _write(database: str, collection_id: str, seq: int, parts: Sequence[Part]) -> None:
    blocks = Block.objects.using(database).filter(collection_id=collection_id)
    blocks.filter(seq=seq).delete()
    # One by one, each in a transaction of its own: others want to write, too.
    for place, content in enumerate(_contents(parts)):
        block = Block(collection_id=collection_id, seq=seq, place=place, content=content)
        block.save(using=database, force_insert=True)
    with transaction.atomic(using=database):
        Collection.objects.using(database).filter(pk=collection_id, blocks_seq__lt=seq).update(
            blocks_seq=seq, blocks_claimed=0
        )
    # Who is just reading the old ones finds too few, and reads the rows.
    blocks.filter(seq__lt=seq).delete()


def _contents(parts: Sequence[Part]) -> Iterator[bytes]:
    slots = [np.flatnonzero(part.kept) for part in parts]
    total = sum(-(-len(kept) // IMAGES) for kept in slots)
    for part, kept in zip(parts, slots, strict=True):
        for start in range(0, len(kept), IMAGES):
            some = kept[start : start + IMAGES]
            ids = joined_ids([(part.segment.ids, some)])
            text = ids.text.tobytes()
            body = b"".join(
                [
                    text,
                    ids.ends.astype("<i8").tobytes(),
                    ids.keys.astype("<u8").tobytes(),
                    ids.order.astype("<u4").tobytes(),
                    part.segment.vectors[some].tobytes(),
                ]
            )
            header = _HEADER.pack(describe.VERSION, total, len(some), len(text), zlib.crc32(body))
            yield header + body


def _read(content: bytes) -> tuple[int, _Content]:
    """Return how many blocks there are, and what is in one.

    Raises:
        ValueError: it is not as it was written, or of another version of the descriptor.
    """
    if len(content) < _HEADER.size:
        raise ValueError("one is cut off")
    version, total, images, letters, checksum = _HEADER.unpack_from(content)
    if version != describe.VERSION:
        raise ValueError(f"they are of version {version} of the descriptor")
    body = memoryview(content)[_HEADER.size :]
    if zlib.crc32(body) != checksum:
        raise ValueError("one is damaged")
    position = 0

    def array(kind: str, count: int) -> NDArray[Any]:
        nonlocal position
        values = np.frombuffer(body, kind, count, position)
        position += values.nbytes
        return values

    text = array("u1", letters)
    ends, keys, order = array("<i8", images), array("<u8", images), array("<u4", images)
    vectors = array("i1", images * DIMENSIONS).reshape(images, DIMENSIONS)
    return total, _Content(Ids(text, ends, keys, order), vectors)
