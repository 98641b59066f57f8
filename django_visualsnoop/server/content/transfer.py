"""Export a collection as a file, and import it; see ``transfer_file``."""

from __future__ import annotations

import json
import time
from functools import partial
from hashlib import sha256
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

from django.db import OperationalError

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.engine.exceptions import ImageExists
from django_visualsnoop.server.content import changes, not_duplicates, pictures
from django_visualsnoop.server.content import metadata as image_metadata
from django_visualsnoop.server.content.transfer_file import (
    TransferredImage,
    encode_header,
    encode_image,
    encode_line,
    is_descriptor,
    parse_lines,
    refuse_line,
)
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.tenants.throttling import require_room_for
from django_visualsnoop.server.transactions import RETRY_AFTER, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django_visualsnoop.engine.storage.values import ImageDetails
    from django_visualsnoop.server.content.images import HostedImages
    from django_visualsnoop.server.content.metadata import Value

#: The number of images read or written together.
_TOGETHER = 200
_PAIRS_TOGETHER = 500
#: Seconds between two portions. SQLite's writers check only from time to time whether they can
#: write.
_PAUSE = 0.05
#: Seconds that a portion waits for other writers; part of the file may be written already.
_PATIENCE = 60.0

_Any = TypeVar("_Any")


class ImportCounts(NamedTuple):
    added: int
    replaced: int
    #: Images that already existed, with the same time and file.
    unchanged: int


def export_collection(images: HostedImages) -> Iterator[bytes]:
    """Yield the lines of a collection's file.

    The file is not a snapshot. Changes during the export follow the header's cursor; see
    ``changes``.
    """
    hosted, store = images.collection, images.store
    yield encode_header(hosted.name, changes.get_cursor(store))
    count = 0
    for ids in batched(store.iterate_ids(), _TOGETHER):
        details = store.read_details(ids)
        metadata = image_metadata.read_metadata(hosted.pk, ids)
        described = {stored.image_id: stored for stored in store.read_descriptors(ids)}
        for image_id in ids:
            one, stored = details.get(image_id), described.get(image_id)
            if one is None or stored is None:
                continue  # it was deleted meanwhile
            if not is_descriptor(stored.vector):
                yield encode_line({"left_out": stored.image_id})
                continue
            count += 1
            yield encode_image(one, metadata.get(image_id, {}), stored)
    for pair in not_duplicates.list_pairs(images):
        yield encode_line({"not_duplicates": list(pair)})
    yield encode_line({"end": True, "images": count})


def import_collection(images: HostedImages, file: IO[bytes], *, replace: bool) -> ImportCounts:
    """Import the images of a collection's file.

    This first verifies the whole file, and imports nothing if anything is wrong with it. Then it
    writes in portions, so that others can write in between. After an interruption, such as a
    crash, the portions that were written stay; import the file again to complete it.

    Args:
        images: the images of the collection that imports them.
        file: as ``export_collection`` wrote it; this reads it three times, from its start.
        replace: whether to replace other images that have an id of the file.

    Raises:
        Refused: 400, the file has another format or version, is cut off or broken; the message
            names the line. 404, the collection does not exist. 429, it is full. 503, the database
            is busy.
        ImageExists: another image has an id of the file, and ``replace`` is false.
    """
    facts = _check_file(file)
    _check_against(images, facts, replace=replace)
    portion = _Portion(images, replace)
    file.seek(0)
    for some in batched(
        (one for _, one in parse_lines(file) if isinstance(one, TransferredImage)), _TOGETHER
    ):
        portion.write(partial(portion.put, some))
    file.seek(0)
    pairs = (one for _, one in parse_lines(file) if isinstance(one, not_duplicates.ImagePair))
    for several in batched(pairs, _PAIRS_TOGETHER):
        portion.write(partial(portion.mark, several))
    return portion.done


class _Portion:
    """Write portions of a file, each in its own transaction."""

    def __init__(self, images: HostedImages, replace: bool) -> None:
        self.images = images
        self.replace = replace
        self.done = ImportCounts(0, 0, 0)

    def write(self, work: Callable[[], ImportCounts]) -> None:
        """Write one portion, and then let others write.

        Raises:
            Refused: 503, the wait for a lock took too long.
        """
        try:
            added = write_atomically(work, patience=_PATIENCE)
        except OperationalError as error:
            if not is_lock_error(error):
                raise
            raise Refused(
                503,
                f"The database is busy. {self._so_far}",
                {"Retry-After": str(RETRY_AFTER)},
            ) from error
        self.done = ImportCounts(*map(sum, zip(self.done, added, strict=True)))
        time.sleep(_PAUSE)

    @property
    def _so_far(self) -> str:
        written = self.done.added + self.done.replaced
        return f"{written:,} images were imported; import the file again for the rest."

    def mark(self, pairs: list[not_duplicates.ImagePair]) -> ImportCounts:
        """Mark the file's pairs whose images still exist."""
        self.images.lock()
        there = self.images.store.read_details({image_id for pair in pairs for image_id in pair})
        known = [pair for pair in pairs if all(image_id in there for image_id in pair)]
        not_duplicates.mark_pairs(self.images, known)
        return ImportCounts(0, 0, 0)

    def put(self, some: list[TransferredImage]) -> ImportCounts:
        """Store the images of the file that do not exist yet; return how many."""
        hosted, store = self.images.collection, self.images.store
        self.images.lock(alone=hosted.max_images is not None)
        details = store.read_details(one.new.image_id for one in some)
        require_room_for(hosted, store, len(some) - len(details))
        metadata = image_metadata.read_metadata(hosted.pk, details)
        changed = []
        for one in some:
            known = details.get(one.new.image_id)
            if known is None or not _is_same(one, known, metadata.get(known.image_id, {})):
                changed.append(one)
        if changed:
            self._store(changed, details)
        replaced = sum(one.new.image_id in details for one in changed)
        return ImportCounts(len(changed) - replaced, replaced, len(some) - len(changed))

    def _store(self, changed: list[TransferredImage], details: Mapping[str, ImageDetails]) -> None:
        hosted, store = self.images.collection, self.images.store
        stored = store.put([one.new for one in changed], [one.image_time for one in changed])
        for its in stored:
            # Another image, or one added just now.
            if its.existed and not (self.replace and its.image_id in details):
                raise _refuse_other(its.image_id, self._so_far)
        replaced = details.keys() & {one.new.image_id for one in changed}
        # A file contains no pictures, and the retained ones show the previous image.
        pictures.delete_pictures(pictures.get_pictures_of(hosted, replaced))
        image_metadata.write_many(
            hosted.pk,
            {
                one.new.image_id: one.metadata
                for one in changed
                if one.metadata or one.new.image_id in details
            },
        )


def _check_against(images: HostedImages, facts: Mapping[str, bytes], *, replace: bool) -> None:
    """Check that a file can be imported in the current state; see ``import_collection``."""
    hosted, store = images.collection, images.store
    there = 0
    for ids in batched(facts, _TOGETHER):
        details = store.read_details(ids)
        there += len(details)
        if replace:
            continue
        metadata = image_metadata.read_metadata(hosted.pk, details)
        for image_id, known in details.items():
            fact = _hash_image(known.image_time, known.digest, metadata.get(image_id, {}))
            if fact != facts[image_id]:
                raise _refuse_other(image_id, "Nothing was imported.")
    require_room_for(hosted, store, len(facts) - there)


def _check_file(file: IO[bytes]) -> dict[str, bytes]:
    """Return the ids of all images of a valid, complete file, and ``_hash_image`` of each."""
    facts: dict[str, bytes] = {}
    pairs: dict[not_duplicates.ImagePair, int] = {}
    for number, one in parse_lines(file):
        if isinstance(one, TransferredImage):
            if one.new.image_id in facts:
                raise refuse_line(number, f"the id {one.new.image_id!r:.120} occurs twice")
            facts[one.new.image_id] = _hash_image(one.image_time, one.new.digest, one.metadata)
        elif isinstance(one, not_duplicates.ImagePair):
            if not (one.first_id in facts and one.second_id in facts):
                pairs[one] = number
        elif isinstance(one, int) and one != len(facts):
            raise refuse_line(number, f"it says {one:,} images, but the file has {len(facts):,}")
    for pair, number in pairs.items():
        for image_id in pair:
            if image_id not in facts:
                raise refuse_line(number, f"the file has no image {image_id!r:.120}")
    return facts


def _is_same(one: TransferredImage, known: ImageDetails, metadata: Mapping[str, Value]) -> bool:
    there = _hash_image(known.image_time, known.digest, metadata)
    return there == _hash_image(one.image_time, one.new.digest, one.metadata)


def _hash_image(image_time: int, digest: str, metadata: Mapping[str, Value]) -> bytes:
    """Return a hash of a few bytes that differs between any two images with the same id."""
    return sha256(json.dumps([image_time, digest, metadata], sort_keys=True).encode()).digest()


def _refuse_other(image_id: str, so_far: str) -> ImageExists:
    return ImageExists(
        f"Another image has the id {image_id!r}. To replace it, use replace=true. {so_far}"
    )
