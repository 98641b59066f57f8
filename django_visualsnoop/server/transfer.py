"""A collection as a file: JSON Lines, each line one JSON object in UTF-8.

The first line is ``{"format": "visualsnoop-collection", "version": 1, "descriptor_version": N,
"name": …, "cursor": …}``. Then each image is a line with ``id``, ``time``, ``width``, ``height``,
``sha256`` (of its file), ``metadata`` and ``descriptor`` (in base64); each pair that was called no
duplicates is ``{"not_duplicates": [id, id]}``; and an image that an older version described, of
no use elsewhere, is ``{"left_out": id}``. The last line is ``{"end": true, "images": N}``, without
which the file is cut off.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.db import transaction

from django_visualsnoop.client.exceptions import InvalidImageIdError
from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.engine import describe
from django_visualsnoop.engine.descriptor import Descriptor
from django_visualsnoop.engine.exceptions import ImageExists
from django_visualsnoop.engine.store import NewImage
from django_visualsnoop.engine.times import written
from django_visualsnoop.server import changes, not_duplicates
from django_visualsnoop.server import metadata as kept
from django_visualsnoop.server.answers import Refused
from django_visualsnoop.server.limits import require_room_for
from django_visualsnoop.server.models import database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_visualsnoop.server.images import HostedImages
    from django_visualsnoop.server.metadata import Value

FORMAT = "visualsnoop-collection"
VERSION = 1
MEDIA_TYPE = "application/jsonl"
#: No line of an export is longer.
_MAX_LINE = 128 * 1024
#: Images read or written together.
_TOGETHER = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SIDE = 2**31 - 1
_IMAGE = {"id", "time", "width", "height", "sha256", "metadata", "descriptor"}

_Any = TypeVar("_Any")


class Imported(NamedTuple):
    added: int
    replaced: int
    #: They were there already, with the same time and file.
    unchanged: int


class _Image(NamedTuple):
    new: NewImage
    image_time: int
    metadata: dict[str, Value]


def exported(images: HostedImages) -> Iterator[bytes]:
    """Yield the lines of a collection's file.

    It is no snapshot: what changes meanwhile is after the header's cursor, see ``changes``.
    """
    hosted, store = images.collection, images.store
    yield _line(
        {
            "format": FORMAT,
            "version": VERSION,
            "descriptor_version": describe.VERSION,
            "name": hosted.name,
            "cursor": changes.latest(store),
        }
    )
    count = 0
    for ids in _batches(store.ids()):
        details = store.details(ids)
        metadata = kept.read(hosted.pk, ids)
        described = {stored.image_id: stored for stored in store.descriptors(ids)}
        for image_id in ids:
            one, stored = details.get(image_id), described.get(image_id)
            if one is None or stored is None:
                continue  # it is gone by now
            if not _is_descriptor(stored.vector):
                yield _line({"left_out": stored.image_id})
                continue
            count += 1
            yield _line(
                {
                    "id": one.image_id,
                    "time": written(one.image_time),
                    "width": one.width,
                    "height": one.height,
                    "sha256": one.digest,
                    "metadata": metadata.get(one.image_id, {}),
                    "descriptor": b64encode(stored.vector).decode(),
                }
            )
    for pair in not_duplicates.remembered(hosted.pk, store):
        yield _line({"not_duplicates": list(pair)})
    yield _line({"end": True, "images": count})


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
        for some in _batches(one for _, one in _parsed(file) if isinstance(one, _Image)):
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
                kept.write_all(hosted.pk, {one.new.image_id: one.metadata for one in changed})
        file.seek(0)
        for _, pair in _parsed(file):
            if isinstance(pair, not_duplicates.Pair):
                not_duplicates.remember(hosted.pk, store, pair)
    return Imported(**counts)


def _checked(file: IO[bytes]) -> set[str]:
    """Return the ids of all images of a file that is whole and right."""
    ids: set[str] = set()
    pairs: dict[not_duplicates.Pair, int] = {}
    for number, one in _parsed(file):
        if isinstance(one, _Image):
            if one.new.image_id in ids:
                raise _wrong(number, f"the id {one.new.image_id!r:.120} is there a second time")
            ids.add(one.new.image_id)
        elif isinstance(one, not_duplicates.Pair):
            pairs[one] = number
        elif isinstance(one, int) and one != len(ids):
            raise _wrong(number, f"it says {one:,} images, and there are {len(ids):,}")
    for pair, number in pairs.items():
        for image_id in pair:
            if image_id not in ids:
                raise _wrong(number, f"the file has no image {image_id!r:.120}")
    return ids


def _parsed(
    file: IO[bytes],
) -> Iterator[tuple[int, _Image | not_duplicates.Pair | int | None]]:
    """Yield the number of each line and what it says: the end, the number of images."""
    latest = datetime.now(UTC) + timedelta(minutes=1)
    ended = False
    number = 0
    while line := file.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            raise _wrong(number, f"it is longer than {_MAX_LINE:,} bytes")
        if ended:
            raise _wrong(number, "something comes after the end")
        try:
            said = kept.loads(line.decode(), "it")
            if not isinstance(said, dict):
                raise ValueError("it is no JSON object")
            if number == 1:
                _check_header(said)
            elif "end" in said:
                ended = True
                yield number, _integer(said, "images")
            elif "not_duplicates" in said:
                yield number, _pair(said["not_duplicates"])
            elif "left_out" not in said:
                yield number, _image(said, latest)
        except (ValueError, InvalidImageIdError) as error:
            raise _wrong(number, str(error)) from None
    if not ended:
        raise _wrong(number + 1, "the end is missing: the file is empty or cut off")


def _check_header(said: dict[str, Any]) -> None:
    if said.get("format") != FORMAT:
        raise ValueError(f'the format is {said.get("format")!r:.60}, not "{FORMAT}"')
    if said.get("version") != VERSION:
        raise ValueError(f"its version is {said.get('version')!r:.20}; this server reads {VERSION}")
    if said.get("descriptor_version") != describe.VERSION:
        raise ValueError(
            f"its descriptors are of version {said.get('descriptor_version')!r:.20}, and this "
            f"server compares those of version {describe.VERSION}: add the pictures anew"
        )


def _image(said: dict[str, Any], latest: datetime) -> _Image:
    if said.keys() != _IMAGE:
        raise ValueError(f"an image has {', '.join(sorted(_IMAGE))}, not {', '.join(said)[:200]}")
    digest = _text(said, "sha256")
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise ValueError(f"sha256 is {digest!r:.80}; it must be 64 hexadecimal digits")
    try:
        vector = b64decode(_text(said, "descriptor"), validate=True)
    except ValueError:
        raise ValueError("descriptor is no base64") from None
    if not _is_descriptor(vector):
        raise ValueError("descriptor is broken or of another version")
    time = datetime.fromisoformat(_text(said, "time"))
    if time.tzinfo is None or not _EPOCH <= time <= latest:
        raise ValueError(f"time is {said['time']!r:.60}; it must have a zone, and be past")
    width, height = _integer(said, "width"), _integer(said, "height")
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise ValueError(f"a picture has no {width} by {height} pixels")
    new = NewImage(
        check_image_id(_text(said, "id")), vector, describe.VERSION, digest, width, height
    )
    return _Image(new, (time - _EPOCH) // timedelta(microseconds=1), kept.checked(said["metadata"]))


def _is_descriptor(vector: bytes) -> bool:
    try:
        Descriptor.from_bytes(vector)
    except ValueError:
        return False
    return True


def _pair(said: Any) -> not_duplicates.Pair:
    if not isinstance(said, list) or len(said) != 2:
        raise ValueError(f"not_duplicates is {said!r:.60}; it must be two image ids")
    return not_duplicates.pair_of(*map(check_image_id, said))


def _text(said: dict[str, Any], name: str) -> str:
    value = said[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r:.60}; it must be a text")
    return value


def _integer(said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r:.60}; it must be a whole number")
    return value


def _wrong(number: int, why: str) -> Refused:
    return Refused(400, f"Line {number:,}: {why}. Nothing was imported.")


def _other(image_id: str) -> ImageExists:
    return ImageExists(
        f"Another image has the id {image_id!r}; nothing was imported. With replace=true it is "
        "replaced."
    )


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def _batches(values: Iterable[_Any]) -> Iterator[list[_Any]]:
    rest = iter(values)
    while some := list(islice(rest, _TOGETHER)):
        yield some
