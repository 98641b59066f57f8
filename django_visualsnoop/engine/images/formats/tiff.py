"""The first picture of a TIFF (not of a BigTIFF)."""

from __future__ import annotations

import struct

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import MAX_PARTS, Examined
from django_visualsnoop.engine.images.formats.exif import ORIENTATION

_WIDTH, _HEIGHT = 256, 257
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
#: The other tags that decide about pixels, and whether each has one value: 292 and 293 are the
#: options of faxes, 512 to 515 and 519 to 521 the tables of the old kind of JPEG, and 529 to 532
#: say what YCbCr means.
_SINGLE = {_WIDTH, _HEIGHT, 259, 262, 266, 277, 278, 284, 292, 293, 317}
_SINGLE |= {_TILE_WIDTH, _TILE_HEIGHT, 512, 513, 514, 515, 531}
_SEVERAL = {258, 273, 279, 320, 324, 325, 338, 339, 347, 519, 520, 521, 529, 530, 532}
_TYPE_SIZES = {1: 1, 3: 2, 4: 4, 5: 8, 7: 1}
_SHORT, _LONG = 3, 4
_ROWS_PER_STRIP = 278
_OF_STRIPS = {273, 279, 324, 325}
_COMPRESSION, _OLD_JPEG, _JPEG = 259, 6, 7
_PROGRESSIVE_FRAME = b"\xff\xc2"
_SCANS_OF_PROGRESSIVE = 100  # in each strip: more are refused by libtiff
#: As many as a palette of 16 bits has.
_MAX_VALUES = 3 * 2**16
_MAX_STRIPS = MAX_PARTS // 2


def examine(data: bytes) -> Examined:
    try:
        return _examine(data)
    except struct.error:
        raise UndecodableImage("The TIFF is cut off.") from None


def _examine(data: bytes) -> Examined:
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "L", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    entries: list[bytes] = []
    values: dict[int, int] = {}
    tags: set[int] = set()
    outside = 0
    for position in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, amount, offset = struct.unpack_from(order + "HHLL", data, position)
        if kind == _SHORT and amount == 1:
            (values[tag],) = struct.unpack_from(order + "H", data, position + 8)
        elif kind == _LONG and amount == 1:
            values[tag] = offset
        if tag in _SINGLE and amount != 1:
            raise UndecodableImage(f"The TIFF's tag {tag} has {amount} values instead of one.")
        if tag in _SINGLE | _SEVERAL:
            if tag in tags:
                raise UndecodableImage(f"The TIFF has the tag {tag} twice.")
            tags.add(tag)
            length = _TYPE_SIZES.get(kind, 0) * amount
            outside += length if length > 4 else 0
            if not length or outside > len(data) or (length > 4 and offset + length > len(data)):
                raise UndecodableImage(f"The TIFF's tag {tag} is broken.")
            allowed = _MAX_STRIPS if tag in _OF_STRIPS else _MAX_VALUES
            if amount > allowed:
                raise ImageTooLarge(
                    f"The TIFF's tag {tag} has {amount:,} values; at most {allowed:,} are allowed."
                )
            entries.append(data[position : position + 12])
    if _WIDTH not in values or _HEIGHT not in values:
        raise UndecodableImage("The TIFF's header does not give its size.")
    strips = _count_strips(values)
    if strips > _MAX_STRIPS:
        raise ImageTooLarge(f"The TIFF has {strips:,} strips; at most {_MAX_STRIPS:,} are allowed.")
    # The directory goes, cleaned, behind the file, so that all offsets stay true.
    directory = (
        struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "L", 0)
    )
    turn = values.get(ORIENTATION, 1)
    jpeg = values.get(_COMPRESSION) in (_OLD_JPEG, _JPEG)
    return Examined(
        data[:4] + struct.pack(order + "L", len(data)) + data[8:] + directory,
        max(values[_WIDTH], values.get(_TILE_WIDTH, 0)),
        max(values[_HEIGHT], values.get(_TILE_HEIGHT, 0)),
        orientation=turn if 1 <= turn <= 8 else 1,
        passes=_SCANS_OF_PROGRESSIVE if jpeg and _PROGRESSIVE_FRAME in data else 1,
    )


def _count_strips(values: dict[int, int]) -> int:
    """Return how many strips or tiles the header promises: the list of them may be shorter."""
    width, height = values[_WIDTH], values[_HEIGHT]
    across = values.get(_TILE_WIDTH) or width or 1
    down = values.get(_TILE_HEIGHT) or values.get(_ROWS_PER_STRIP) or height or 1
    return -(-width // across) * -(-height // down)
