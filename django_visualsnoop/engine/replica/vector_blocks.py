"""The vectors of a large collection once more, in few large rows, for processes that start.

To read a row for each image takes a new process half a minute among a million images; to read their
ids and vectors alone, from *blocks* of some thousand images, a second or two. Until it has read the
rows, a process searches by these (see ``replica``). Like a snapshot, blocks say the number up to
which they hold all rows. Were they wrong, a copy might be missed for so long; none could be made
up, since candidates are compared by what their rows hold.
"""

from __future__ import annotations

import itertools
import logging
import struct
import threading
import time
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from django.db import DatabaseError, connections

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS
from django_visualsnoop.engine.index.memory.ids import Ids, join_ids
from django_visualsnoop.engine.index.memory.segment import allocate, build_vector_segment
from django_visualsnoop.engine.models import Collection, IndexedImage, VectorBlock
from django_visualsnoop.engine.replica.snapshots import CHANGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.merge import SegmentPart
    from django_visualsnoop.engine.index.memory.segment import Segment

logger = logging.getLogger("django_visualsnoop.engine")

#: Smaller collections are read from their rows within two seconds, local features and all.
LEAST = 50_000
#: Images in a block: some 1.2 MB, which every database takes in one statement.
IMAGES = 4096
#: A process that writes them has so long; then another may.
_LEASE_SECONDS = 600.0
#: Blocks read by one query.
_TOGETHER = 16

#: CRC-32 of all that follows; little-endian, as are the arrays.
_CHECKSUM = struct.Struct("<I")
#: Version of the descriptor, images in all blocks, images in this one, bytes of their ids.
_HEADER = struct.Struct("<HIII")


class _BlockContent(NamedTuple):
    #: Images in all blocks.
    total: int
    ids: Ids
    #: n x ``DIMENSIONS``
    vectors: NDArray[np.int8]


def are_usable(blocks_seq: int, horizon: int) -> bool:
    """Return whether there are blocks, and they hold nothing that was deleted without a trace.

    Args:
        blocks_seq, horizon: of the collection.
    """
    return blocks_seq >= max(1, horizon)


def load(database: str, collection_id: str, seq: int) -> Segment | None:
    """Return the images of all blocks, without local features; ``None`` if some is not as written.

    Args:
        database: alias in ``DATABASES``.
        collection_id: of the collection.
        seq: its ``blocks_seq``.
    """
    try:
        ids, vectors = _join_contents(_read_contents(database, collection_id, seq))
    except ValueError as error:
        logger.warning("Could not use the blocks of collection %s: %s", collection_id, error)
        return None
    return build_vector_segment(ids, vectors, describe.invariant_first())


def _read_contents(database: str, collection_id: str, seq: int) -> Iterator[bytes]:
    blocks = VectorBlock.objects.using(database).filter(collection_id=collection_id, seq=seq)
    for first in itertools.count(0, _TOGETHER):
        some = blocks.filter(place__gte=first, place__lt=first + _TOGETHER).order_by("place")
        found = list(some.values_list("content", flat=True))
        yield from map(bytes, found)
        if len(found) < _TOGETHER:
            return


def _join_contents(contents: Iterable[bytes]) -> tuple[Ids, NDArray[np.int8]]:
    parts: list[Ids] = []
    vectors = np.empty((0, DIMENSIONS), dtype=np.int8)
    total = read = 0
    for content in contents:
        total, ids, some = _decode_content(content)
        if not parts:
            vectors = allocate(total, DIMENSIONS, np.int8)
        if read + len(some) > len(vectors):
            raise ValueError(f"they contain more than {len(vectors)} images")
        vectors[read : read + len(some)] = some
        read += len(some)
        parts.append(ids)
    joined = join_ids([(ids, np.arange(len(ids.ends))) for ids in parts])
    # Blocks of two writers would repeat some images in place of others. The keys are sorted.
    repeated = np.count_nonzero(joined.keys[1:] == joined.keys[:-1])
    if not total or repeated or not read == total == len(vectors):
        raise ValueError(f"they contain {read - repeated} of {total} images")
    return joined, vectors


def save(
    database: str, collection_id: str, seq: int, horizon: int, parts: Sequence[SegmentPart]
) -> threading.Thread:
    """Write the blocks again if necessary, in a thread. A failure is logged, and harmless.

    Args:
        database: alias in ``DATABASES``.
        collection_id: of the collection.
        seq: the number up to which all rows are in ``parts``.
        horizon: of the collection.
        parts: the images.
    """

    def run() -> None:
        try:
            if retry_when_locked(
                lambda: _acquire_lease(database, collection_id, seq, horizon, parts), using=database
            ):
                _write(database, collection_id, seq, parts)
        except DatabaseError as error:
            logger.warning("Could not write the blocks of collection %s: %s", collection_id, error)
        finally:
            connections[database].close()

    thread = threading.Thread(target=run, name="visualsnoop-blocks", daemon=True)
    thread.start()
    return thread


def _acquire_lease(
    database: str, collection_id: str, seq: int, horizon: int, parts: Sequence[SegmentPart]
) -> bool:
    """Return whether enough has changed, and no other process is at it."""
    now = int(time.time() * 1_000_000)
    free = Collection.objects.using(database).filter(
        pk=collection_id,
        blocks_seq__lt=seq,
        blocks_leased_at__lt=now - int(_LEASE_SECONDS * 1_000_000),
    )
    before = free.values_list("blocks_seq", flat=True).first()
    if before is None:
        return False
    if are_usable(before, horizon):
        enough = int(CHANGED * sum(np.count_nonzero(part.kept) for part in parts))
        rows = IndexedImage.objects.using(database).filter(collection_id=collection_id)
        changed = rows.filter(seq__gt=before).values_list("pk", flat=True)[: enough + 1].count()
        if changed <= enough:
            return False
    return bool(free.update(blocks_leased_at=now))


def _write(database: str, collection_id: str, seq: int, parts: Sequence[SegmentPart]) -> None:
    blocks = VectorBlock.objects.using(database).filter(collection_id=collection_id)
    write = partial(retry_when_locked, using=database)
    write(blocks.filter(seq=seq).delete)
    # One by one, each in a transaction of its own: others want to write, too.
    for place, content in enumerate(_encode_contents(parts)):
        block = VectorBlock(collection_id=collection_id, seq=seq, place=place, content=content)
        write(partial(block.save, using=database, force_insert=True))
    collection = Collection.objects.using(database).filter(pk=collection_id, blocks_seq__lt=seq)
    write(partial(collection.update, blocks_seq=seq, blocks_leased_at=0))
    # Who is just reading the old ones finds too few, and reads the rows.
    write(blocks.filter(seq__lt=seq).delete)


def _encode_contents(parts: Sequence[SegmentPart]) -> Iterator[bytes]:
    slots = [np.flatnonzero(part.kept) for part in parts]
    total = sum(map(len, slots))
    for part, kept in zip(parts, slots, strict=True):
        for start in range(0, len(kept), IMAGES):
            some = kept[start : start + IMAGES]
            ids = join_ids([(part.segment.ids, some)])
            text = ids.text.tobytes()
            content = b"".join(
                [
                    _HEADER.pack(describe.VERSION, total, len(some), len(text)),
                    text,
                    ids.ends.astype("<i8").tobytes(),
                    ids.keys.astype("<u8").tobytes(),
                    ids.order.astype("<u4").tobytes(),
                    part.segment.vectors[some].tobytes(),
                ]
            )
            yield _CHECKSUM.pack(zlib.crc32(content)) + content


def _decode_content(content: bytes) -> _BlockContent:
    """Return what is in a block.

    Raises:
        ValueError: it is not as it was written, or of another version of the descriptor.
    """
    position = _CHECKSUM.size + _HEADER.size
    if len(content) < position:
        raise ValueError("a block is cut off")
    (checksum,) = _CHECKSUM.unpack_from(content)
    if zlib.crc32(memoryview(content)[_CHECKSUM.size :]) != checksum:
        raise ValueError("a block is damaged")
    version, total, images, letters = _HEADER.unpack_from(content, _CHECKSUM.size)
    if version != describe.VERSION:
        raise ValueError(f"they have version {version} of the descriptor")

    def array(kind: str, count: int) -> NDArray[Any]:
        nonlocal position
        values = np.frombuffer(content, kind, count, position)
        position += values.nbytes
        return values

    text = array("u1", letters)
    ids = Ids(text, array("<i8", images), array("<u8", images), array("<u4", images))
    return _BlockContent(total, ids, array("i1", images * DIMENSIONS).reshape(images, DIMENSIONS))
