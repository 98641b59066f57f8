"""The tags of EXIF that say how to turn the pixels, and what was taken when."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ORIENTATION = 0x0112
#: Of the directory of the camera's own tags.
CAMERA_TAGS = 0x8769
_BYTE, _ASCII, _SHORT, _UNDEFINED = 1, 2, 3, 7
#: Offsets of directories are long numbers, or have a type of their own.
_OFFSETS = (4, 13)
_PREFIX = b"Exif\0\0"
#: Real directories have fewer than 200 entries.
_MAX_ENTRIES = 1000
#: Longer values are cut off. Some cameras fill the names of maker and model with 200 zeros.
_MAX_LENGTH = 64


class _Entry(NamedTuple):
    tag: int
    kind: int
    amount: int
    #: Where the value is, or if it has more than 4 bytes, where its offset is.
    place: int


def read_orientation(exif: bytes) -> int:
    """Return EXIF's orientation, 1 to 8; 1 if there is none or the block is broken.

    Args:
        exif: a TIFF structure, with or without the ``Exif`` prefix of JPEG.
    """
    exif = exif.removeprefix(_PREFIX)
    order = _read_order(exif)
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "L", exif, 4)
        for entry in _iterate_entries(exif, order, start):
            if entry.tag == ORIENTATION:
                (value,) = struct.unpack_from(order + "H", exif, entry.place)
                return value if entry.kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def read_values(exif: bytes, wanted: Collection[int]) -> dict[int, bytes]:
    """Return the texts and single bytes of a block's tags, as far as the block is whole.

    This reads the first directory and that of the camera's own tags. It reads at most 1000 entries
    of each, follows no other offset, and cuts values off after 64 bytes.

    Args:
        exif: a TIFF structure, with or without the ``Exif`` prefix of JPEG.
        wanted: the tags.

    Returns:
        The value of each tag that is there, without what follows the first zero byte of a text.
        Of a tag that is there twice, the first value.
    """
    exif = exif.removeprefix(_PREFIX)
    order = _read_order(exif)
    values: dict[int, bytes] = {}
    if order is None:
        return values
    try:
        (start,) = struct.unpack_from(order + "L", exif, 4)
        following = _read_directory(exif, order, start, wanted, values)
        if following is not None:
            _read_directory(exif, order, following, wanted, values)
    except struct.error:
        pass
    return values


def _read_directory(
    exif: bytes, order: str, start: int, wanted: Collection[int], values: dict[int, bytes]
) -> int | None:
    """Add the values of a directory, and return where that of the camera's own tags starts.

    Raises:
        struct.error: the block is cut off. What precedes it has been added.
    """
    following = None
    for entry in _iterate_entries(exif, order, start):
        place = entry.place
        if entry.tag == CAMERA_TAGS and entry.kind in _OFFSETS and following is None:
            (following,) = struct.unpack_from(order + "L", exif, place)
        if entry.tag not in wanted or entry.kind not in (_BYTE, _ASCII, _UNDEFINED):
            continue
        if entry.amount > 4:
            (place,) = struct.unpack_from(order + "L", exif, place)
        value = exif[place : place + min(entry.amount, _MAX_LENGTH)]
        if entry.kind == _ASCII:
            value = value.partition(b"\0")[0]
        values.setdefault(entry.tag, value)
    return following


def _read_order(exif: bytes) -> str | None:
    """Return the order of bytes, as ``struct`` writes it; ``None`` if this is not a TIFF."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])


def _iterate_entries(exif: bytes, order: str, start: int) -> Iterator[_Entry]:
    """Yield the entries of a directory.

    Raises:
        struct.error: the block is cut off.
    """
    (count,) = struct.unpack_from(order + "H", exif, start)
    for position in range(start + 2, start + 2 + 12 * min(count, _MAX_ENTRIES), 12):
        tag, kind, amount = struct.unpack_from(order + "HHL", exif, position)
        yield _Entry(tag, kind, amount, position + 8)
