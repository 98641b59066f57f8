"""Taking a collection out as a file, and in again; see ``transfer_file``."""

from __future__ import annotations

from itertools import islice
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

from django.db import transaction

from django_visualsnoop.engine.exceptions import ImageExists
from django_visualsnoop.server import changes, not_duplicates, pictures
from django_visualsnoop.server import metadata as kept
from django_visualsnoop.server.limits import require_room_for
from django_visualsnoop.server.models import database
from django_visualsnoop.server.transfer_file import (
    Image,
    header,
    image_line,
    is_descriptor,
    line,
    parsed,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_visualsnoop.server.images import HostedImages

#: Images read or written together.
_TOGETHER = 500

_Any = TypeVar("_Any")


class Imported(NamedTuple):
    added: int
    replaced: int
    #: They were there already, with the same time and file.
    unchanged: int


def exported(images: HostedImages) -> Iterator[bytes]:
    """Yield the lines of a collection's file.

    It is no snapshot: what changes meanwhile is after the header's cursor, see ``changes``.
    """
    hosted, store = images.collection, images.store
    yield header(hosted.name, changes.latest(store))
    count = 0
    for ids in _batches(store.ids()):
        details = store.details(ids)
        metadata = kept.read(hosted.pk, ids)
        described = {stored.image_id: stored for stored in store.descriptors(ids)}
        for image_id in ids:
            one, stored = details.get(image_id), described.get(image_id)
            if one is None or stored is None:
                continue  # it is gone by now
            if not is_descriptor(stored.vector):
                yield line({"left_out": stored.image_id})
                continue
            count += 1
            yield image_line(one, metadata.get(image_id, {}), stored.vector)
    for pair in not_duplicates.remembered(hosted.pk, store):
        yield line({"not_duplicates": list(pair)})
    yield line({"end": True, "images": count})


def imported(images: HostedImages, file: IO[bytes], *, replace: bool) -> Imported:
    """Take over the images of a collection's file: all of them, or none.

    Args:
        images: of the collection that takes them.
        file: as ``exported`` wrote it; it is read twice, from its start.
        replace: put images in place of others under their ids.

    Raises:
        Refused: 400, it is no such file, of another version, cut off or broken; the message
            names the line. 429, the collection has no room.
        ImageExists: there is another image under an id, and ``replace`` is false.
    """
    ids = _checked(file)
    hosted, store = images.collection, images.store
    file.seek(0)
    counts = {"added": 0, "replaced": 0, "unchanged": 0}
    with transaction.atomic(using=database()):
        there = set(store.details(ids))
        require_room_for(hosted, store, len(ids) - len(there))
        for some in _batches(one for _, one in parsed(file) if isinstance(one, Image)):
            details = store.details(one.new.image_id for one in some)
            metadata = kept.read(hosted.pk, details)
            changed = []
            for one in some:
                known = details.get(one.new.image_id)
                if known is None:
                    counts["added"] += 1
                elif (known.image_time, known.digest, metadata.get(known.image_id, {})) == (
                    one.image_time,
                    one.new.digest,
                    one.metadata,
                ):
                    counts["unchanged"] += 1
                    continue
                elif replace:
                    counts["replaced"] += 1
                else:
                    raise _other(known.image_id)
                changed.append(one)
            if changed:
                stored = store.put(
                    [one.new for one in changed], [one.image_time for one in changed]
                )
                for its in stored:
                    if its.existed and its.image_id not in details:  # added just now
                        raise _other(its.image_id)
                # A file has no pictures, and those that are kept show what was there before.
                pictures.drop(
                    pictures.of_images(
                        hosted, details.keys() & {one.new.image_id for one in changed}
                    )
                )
                kept.write_all(
                    hosted.pk,
                    {
                        one.new.image_id: one.metadata
                        for one in changed
                        if one.metadata or one.new.image_id in details
                    },
                )
        file.seek(0)
        for _, pair in parsed(file):
            if isinstance(pair, not_duplicates.Pair):
                not_duplicates.remember(hosted.pk, store, pair)
    return Imported(**counts)


def _checked(file: IO[bytes]) -> set[str]:
    """Return the ids of all images of a file that is whole and right."""
    ids: set[str] = set()
    pairs: dict[not_duplicates.Pair, int] = {}
    for number, one in parsed(file):
        if isinstance(one, Image):
            if one.new.image_id in ids:
                raise wrong(number, f"the id {one.new.image_id!r:.120} is there a second time")
            ids.add(one.new.image_id)
        elif isinstance(one, not_duplicates.Pair):
            pairs[one] = number
        elif isinstance(one, int) and one != len(ids):
            raise wrong(number, f"it says {one:,} images, and there are {len(ids):,}")
    for pair, number in pairs.items():
        for image_id in pair:
            if image_id not in ids:
                raise wrong(number, f"the file has no image {image_id!r:.120}")
    return ids


def _other(image_id: str) -> ImageExists:
    return ImageExists(
        f"Another image has the id {image_id!r}; nothing was imported. With replace=true it is "
        "replaced."
    )


def _batches(values: Iterable[_Any]) -> Iterator[list[_Any]]:
    rest = iter(values)
    while some := list(islice(rest, _TOGETHER)):
        yield some
