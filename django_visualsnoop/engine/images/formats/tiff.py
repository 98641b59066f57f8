"""The first picture of a TIFF or BigTIFF; a BigTIFF is passed on as a TIFF."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import TiffImagePlugin

from django_visualsnoop.engine.exceptions import (
    ImageTooLarge,
    UndecodableImage,
    UnsupportedImage,
)
from django_visualsnoop.engine.images.formats import MAX_PARTS, Examined
from django_visualsnoop.engine.images.formats.exif import ORIENTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH, _HEIGHT = 256, 257
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
#: The other tags that decide about pixels, and whether each has one value: 292 and 293 are the
#: options of faxes, 512 to 515 and 519 to 521 the tables of the old kind of JPEG, and 529 to 532
#: say what YCbCr means.
_SINGLE = {_WIDTH, _HEIGHT, 259, 262, 266, 277, 278, 284, 292, 293, 317}
_SINGLE |= {_TILE_WIDTH, _TILE_HEIGHT, 512, 513, 514, 515, 531}
_SEVERAL = {258, 273, 279, 320, 324, 325, 338, 339, 347, 519, 520, 521, 529, 530, 532}
_TYPE_SIZES = {1: 1, 3: 2, 4: 4, 5: 8, 7: 1, 16: 8}
_SHORT, _LONG, _LONG8 = 3, 4, 16
_WHOLE_NUMBERS = {_SHORT: "H", _LONG: "L", _LONG8: "Q"}
_CHANNELS, _ROWS_PER_STRIP = 277, 278
_OF_STRIPS = {273, 279, 324, 325}
_COMPRESSION, _OLD_JPEG, _JPEG = 259, 6, 7
_PROGRESSIVE_FRAME = b"\xff\xc2"
_SCANS_OF_PROGRESSIVE = 100  # in each strip: more are refused by libtiff
#: As many as a palette of 16 bits has.
_MAX_VALUES = 3 * 2**16
_MAX_STRIPS = MAX_PARTS // 2
_MAX_ENTRIES = 2**16 - 1
#: What a TIFF begins with, by the order of its bytes, and what a BigTIFF begins with.
_STARTS = {"<": b"II*\0", ">": b"MM\0*"}
_BIG_STARTS = (b"II+\0", b"MM\0+")
STARTS = (*_STARTS.values(), *_BIG_STARTS)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tag of a directory.

    Args:
        tag, kind: numbers, as in the file.
        amount: of values.
        place: where the values are.
        is_inside: in the entry itself.
    """

    tag: int
    kind: int
    amount: int
    place: int
    is_inside: bool

    @property
    def length(self) -> int:
        """Of the values, in bytes; 0 if they are of none of the kinds that are read."""
        return _TYPE_SIZES.get(self.kind, 0) * self.amount


def examine(data: bytes) -> Examined:
    try:
        return _examine(data)
    except struct.error:
        raise UndecodableImage("The TIFF is cut off.") from None


def _examine(data: bytes) -> Examined:
    order = "<" if data[:2] == b"II" else ">"
    is_big = data.startswith(_BIG_STARTS)
    entries: list[bytes] = []
    added: list[bytes] = []
    end = len(data)
    values: dict[int, int] = {}
    tags: set[int] = set()
    outside = 0
    for entry in _iterate_entries(data, order, is_big=is_big):
        tag, kind, amount = entry.tag, entry.kind, entry.amount
        if kind in _WHOLE_NUMBERS and amount == 1 and entry.is_inside:
            (values[tag],) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], data, entry.place)
        if tag in _SINGLE and amount != 1:
            raise UndecodableImage(f"The TIFF's tag {tag} has {amount} values instead of one.")
        if tag in _SINGLE | _SEVERAL:
            if tag in tags:
                raise UndecodableImage(f"The TIFF has the tag {tag} twice.")
            tags.add(tag)
            outside += 0 if entry.is_inside else entry.length
            is_cut = not entry.is_inside and entry.place + entry.length > len(data)
            if not entry.length or outside > len(data) or is_cut:
                raise UndecodableImage(f"The TIFF's tag {tag} is broken.")
            allowed = _MAX_STRIPS if tag in _OF_STRIPS else _MAX_VALUES
            if amount > allowed:
                raise ImageTooLarge(
                    f"The TIFF's tag {tag} has {amount:,} values; at most {allowed:,} are allowed."
                )
            kind, content = _read_values(data, order, entry)
            where = content.ljust(4, b"\0")
            if len(content) > 4:
                where = struct.pack(order + "L", entry.place)
                if entry.is_inside or entry.kind == _LONG8:  # where a TIFF has no place for it
                    where = struct.pack(order + "L", end)
                    added.append(content)
                    end += len(content)
            entries.append(struct.pack(order + "HHL", tag, kind, amount) + where)
    if _WIDTH not in values or _HEIGHT not in values:
        raise UndecodableImage("The TIFF's header does not give its size.")
    channels = values.get(_CHANNELS, 1)
    if channels > TiffImagePlugin.MAX_SAMPLESPERPIXEL:  # Pillow would log an error
        raise UnsupportedImage(f"A TIFF with {channels:,} channels is not supported.")
    strips = _count_strips(values)
    if strips > _MAX_STRIPS:
        raise ImageTooLarge(f"The TIFF has {strips:,} strips; at most {_MAX_STRIPS:,} are allowed.")
    # The directory goes, cleaned, behind the file, so that all offsets stay true.
    directory = (
        struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "L", 0)
    )
    start = _STARTS[order] + struct.pack(order + "L", end)
    turn = values.get(ORIENTATION, 1)
    jpeg = values.get(_COMPRESSION) in (_OLD_JPEG, _JPEG)
    return Examined(
        b"".join([start, data[8:], *added, directory]),
        max(values[_WIDTH], values.get(_TILE_WIDTH, 0)),
        max(values[_HEIGHT], values.get(_TILE_HEIGHT, 0)),
        orientation=turn if 1 <= turn <= 8 else 1,
        exif=data,
        passes=_SCANS_OF_PROGRESSIVE if jpeg and _PROGRESSIVE_FRAME in data else 1,
    )


def _iterate_entries(data: bytes, order: str, *, is_big: bool) -> Iterator[_Entry]:
    """Yield the entries of the first directory.

    Raises:
        UndecodableImage: the header of a BigTIFF is broken.
        struct.error: the file is cut off.
    """
    if not is_big:
        (start,) = struct.unpack_from(order + "L", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        first, size, form, inside = start + 2, 12, "HHLL", 4
    else:
        *sizes, start = struct.unpack_from(order + "HHQ", data, 4)
        if sizes != [8, 0] or start > len(data):
            raise UndecodableImage("The BigTIFF's header is broken.")
        (count,) = struct.unpack_from(order + "Q", data, start)
        first, size, form, inside = start + 8, 20, "HHQQ", 8
    if count > _MAX_ENTRIES:
        raise UndecodableImage(f"The BigTIFF has more than {_MAX_ENTRIES:,} tags.")
    for position in range(first, first + size * count, size):
        tag, kind, amount, offset = struct.unpack_from(order + form, data, position)
        is_inside = _TYPE_SIZES.get(kind, 0) * amount <= inside
        place = position + size - inside if is_inside else offset
        yield _Entry(tag, kind, amount, place, is_inside)


def _read_values(data: bytes, order: str, entry: _Entry) -> tuple[int, bytes]:
    """Return an entry's values as a TIFF has them: what kind they are, and their bytes."""
    content = data[entry.place : entry.place + entry.length]
    if entry.kind != _LONG8:
        return entry.kind, content
    numbers = struct.unpack(f"{order}{entry.amount}Q", content)
    if max(numbers) >= 2**32:
        raise UndecodableImage(f"The TIFF's tag {entry.tag} points behind its end.")
    return _LONG, struct.pack(f"{order}{entry.amount}L", *numbers)


def _count_strips(values: dict[int, int]) -> int:
    """Return how many strips or tiles the header promises: the list of them may be shorter."""
    width, height = values[_WIDTH], values[_HEIGHT]
    across = values.get(_TILE_WIDTH) or width or 1
    down = values.get(_TILE_HEIGHT) or values.get(_ROWS_PER_STRIP) or height or 1
    return -(-width // across) * -(-height // down)
