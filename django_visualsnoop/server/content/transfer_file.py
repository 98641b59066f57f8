"""The file of a collection: JSON Lines, each line one JSON object in UTF-8.

The first line is ``{"format": "visualsnoop-collection", "version": 1, "descriptor_version": N,
"name": …, "cursor": …}``. Then each image is a line with ``id``, ``time``, ``width``, ``height``,
``sha256`` (of its file), ``metadata`` and ``descriptor`` (in base64). Each pair marked as
not duplicates is ``{"not_duplicates": [id, id]}``. An image that an older version described is
``{"left_out": id}``, because other servers cannot use it. The last line is ``{"end": true,
"images": N}``; without it, the file is cut off.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from django_visualsnoop.client.exceptions import InvalidImageIdError
from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors.descriptor import Descriptor
from django_visualsnoop.engine.descriptors.thumbnail import is_thumbnail
from django_visualsnoop.engine.images.capture import Capture
from django_visualsnoop.engine.storage.times import format_time, to_microseconds
from django_visualsnoop.engine.storage.values import NewImage
from django_visualsnoop.server.content import metadata as image_metadata
from django_visualsnoop.server.content import not_duplicates
from django_visualsnoop.server.exceptions import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django_visualsnoop.engine.storage.values import ImageDetails, StoredDescriptor
    from django_visualsnoop.server.content.metadata import Value

FORMAT = "visualsnoop-collection"
VERSION = 1
MEDIA_TYPE = "application/jsonl"
#: The maximum length of an exported line.
_MAX_LINE = 128 * 1024
_MAX_SIDE = 2**31 - 1
_IMAGE = {"id", "time", "width", "height", "sha256", "metadata", "descriptor"}
#: Releases without them write none.
_OPTIONAL = {"thumbnail", "capture"}


class TransferredImage(NamedTuple):
    new: NewImage
    #: Microseconds since 1970, UTC.
    image_time: int
    metadata: dict[str, Value]


def encode_header(name: str, cursor: str) -> bytes:
    """Return the first line of a file."""
    said = {"format": FORMAT, "version": VERSION, "descriptor_version": describe.VERSION}
    return encode_line({**said, "name": name, "cursor": cursor})


def encode_image(
    one: ImageDetails, metadata: Mapping[str, Value], stored: StoredDescriptor
) -> bytes:
    """Return the line of an image."""
    said = {
        "id": one.image_id,
        "time": format_time(one.image_time),
        "width": one.width,
        "height": one.height,
        "sha256": one.digest,
        "metadata": metadata,
        "descriptor": b64encode(stored.vector).decode(),
    }
    if stored.version >= describe.DESCRIPTION_VERSION:
        kept = {"thumbnail": stored.thumbnail, "capture": stored.capture}
        said |= {name: b64encode(one).decode() for name, one in kept.items() if one is not None}
    return encode_line(said)


def encode_line(said: Mapping[str, object]) -> bytes:
    """Return an object as a line."""
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def parse_lines(
    file: IO[bytes],
) -> Iterator[tuple[int, TransferredImage | not_duplicates.ImagePair | int | None]]:
    """Yield the number and content of each line; the content of the end is the number of images.

    Raises:
        Refused: 400, a line is invalid, or the last line is missing.
    """
    latest = datetime.now(UTC) + timedelta(minutes=1)
    ended = False
    number = 0
    while text := file.readline(_MAX_LINE + 1):
        number += 1
        if len(text) > _MAX_LINE:
            raise refuse_line(number, f"it has more than {_MAX_LINE:,} bytes")
        if ended:
            raise refuse_line(number, "it comes after the last line")
        try:
            said = image_metadata.parse_json(text.decode(), "it")
            if not isinstance(said, dict):
                raise ValueError("it is not a JSON object")
            if number == 1:
                _check_header(said)
            elif "end" in said:
                ended = True
                yield number, _get_integer(said, "images")
            elif "not_duplicates" in said:
                yield number, _parse_pair(said["not_duplicates"])
            elif "left_out" not in said:
                yield number, _parse_image(said, latest)
        except (ValueError, InvalidImageIdError) as error:
            raise refuse_line(number, str(error)) from None
    if not ended:
        raise refuse_line(number + 1, "the last line is missing, so the file is empty or cut off")


def _check_header(said: dict[str, Any]) -> None:
    if said.get("format") != FORMAT:
        raise ValueError(f'the format must be "{FORMAT}", not {said.get("format")!r:.60}')
    if said.get("version") != VERSION:
        raise ValueError(f"the version must be {VERSION}, not {said.get('version')!r:.20}")
    if said.get("descriptor_version") != describe.VERSION:
        raise ValueError(
            f"the descriptors have version {said.get('descriptor_version')!r:.20}, but this "
            f"server compares version {describe.VERSION}; add the pictures again"
        )


def _parse_image(said: dict[str, Any], latest: datetime) -> TransferredImage:
    if said.keys() - _OPTIONAL != _IMAGE:
        raise ValueError(
            f"an image must have {', '.join(sorted(_IMAGE))}, not {', '.join(said)[:200]}"
        )
    digest = _get_text(said, "sha256")
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise ValueError(f"sha256 must be 64 hexadecimal digits, not {digest!r:.80}")
    vector = _get_bytes(said, "descriptor")
    thumbnail, capture = (
        _get_bytes(said, name) if name in said else None for name in ("thumbnail", "capture")
    )
    if thumbnail is not None and not is_thumbnail(thumbnail):
        raise ValueError("thumbnail is broken")
    if capture is not None:
        Capture.unpack(capture)
    if not is_descriptor(vector):
        raise ValueError("descriptor is broken or has another version")
    time = datetime.fromisoformat(_get_text(said, "time"))
    if time.tzinfo is None or to_microseconds(time) < 0 or time > latest:
        raise ValueError(f"time must have a time zone and be in the past, not {said['time']!r:.60}")
    image_time = to_microseconds(time)
    width, height = _get_integer(said, "width"), _get_integer(said, "height")
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise ValueError(f"a picture cannot have {width} x {height} pixels")
    # Releases without thumbnails write none. Such an image is described again, if it can be.
    version = describe.VERSION if thumbnail is None else describe.DESCRIPTION_VERSION
    image_id = check_image_id(_get_text(said, "id"))
    new = NewImage(image_id, vector, version, digest, width, height, thumbnail, capture)
    return TransferredImage(new, image_time, image_metadata.check_metadata(said["metadata"]))


def is_descriptor(vector: bytes) -> bool:
    """Return whether this engine can compare the descriptor."""
    try:
        Descriptor.from_bytes(vector)
    except ValueError:
        return False
    return True


def _get_bytes(said: dict[str, Any], name: str) -> bytes:
    text = _get_text(said, name)
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise ValueError(f"{name} is not base64") from None


def _parse_pair(said: Any) -> not_duplicates.ImagePair:
    if not isinstance(said, list) or len(said) != 2:
        raise ValueError(f"not_duplicates must be two image ids, not {said!r:.60}")
    return not_duplicates.make_pair(*map(check_image_id, said))


def _get_text(said: dict[str, Any], name: str) -> str:
    value = said[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, not {value!r:.60}")
    return value


def _get_integer(said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be an integer, not {value!r:.60}")
    return value


def refuse_line(number: int, why: str) -> Refused:
    """Return the error for a line of a file, counted from 1."""
    return Refused(400, f"Line {number:,}: {str(why).rstrip('.')}. Nothing was imported.")
