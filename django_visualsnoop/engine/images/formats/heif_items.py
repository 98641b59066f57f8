"""The block of EXIF in the boxes of HEIF and AVIF (ISO/IEC 14496-12 and 23008-12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The limit of boxes, items and extents that are read in search of the block. Phones write about
#: 100.
_MAX_STEPS = 10_000
#: Of the block, in bytes; phones write about 3,000. The directories come first.
_MAX_LENGTH = 2**18
_IN_FILE, _IN_ITEM_DATA = 0, 1
#: Numbers of 0, 4 and 8 bytes, as the box of locations has them.
_NUMBERS = {0: "", 4: "L", 8: "Q"}


def find_exif(data: bytes) -> bytes:
    """Return the start of the TIFF structure of the first item of EXIF; empty if there is none.

    This reads nothing else, and does not check what it returns. It returns nothing if the boxes
    are broken or if the item lies in several parts of the file.

    Args:
        data: the whole file.
    """
    try:
        return _find_exif(data)
    except (struct.error, IndexError):
        return b""


def _find_exif(data: bytes) -> bytes:
    meta = _find_box(data, (0, len(data)), b"meta")
    if meta is None:
        return b""
    inside = meta[0] + 4, meta[1]
    items = _find_box(data, inside, b"iinf")
    locations = _find_box(data, inside, b"iloc")
    if items is None or locations is None:
        return b""
    item_id = _find_exif_item(data, items)
    located = None if item_id is None else _locate_item(data, locations, item_id)
    if located is None:
        return b""
    method, offset, length = located
    if method == _IN_ITEM_DATA:
        store = _find_box(data, inside, b"idat")
        if store is None or offset + length > store[1] - store[0]:
            return b""
        offset += store[0]
    item = data[offset : offset + min(length, _MAX_LENGTH)]
    (before,) = struct.unpack_from(">L", item)
    return item[4 + before :]


def _iterate_boxes(data: bytes, inside: tuple[int, int]) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each box, and where its content starts and ends."""
    position, end = inside
    for _ in range(_MAX_STEPS):
        if position + 8 > end:
            return
        length, name = struct.unpack_from(">L4s", data, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        elif length == 0:
            length = end - position
        if position + length > end or start > position + length:
            return
        position += length
        yield name, start, position


def _find_box(data: bytes, inside: tuple[int, int], wanted: bytes) -> tuple[int, int] | None:
    """Return where the content of the first box of a name starts and ends."""
    for name, start, end in _iterate_boxes(data, inside):
        if name == wanted:
            return start, end
    return None


def _find_exif_item(data: bytes, items: tuple[int, int]) -> int | None:
    """Return the id of the first item of EXIF in the box ``iinf``."""
    start, end = items
    first = start + (6 if data[start] == 0 else 8)  # a version, flags and a count
    for name, place, _ in _iterate_boxes(data, (first, end)):
        version = data[place]
        if name != b"infe" or version not in (2, 3):
            continue
        form = ">HH4s" if version == 2 else ">LH4s"
        item_id, _, kind = struct.unpack_from(form, data, place + 4)
        if kind == b"Exif":
            return int(item_id)
    return None


def _locate_item(
    data: bytes, locations: tuple[int, int], wanted: int
) -> tuple[int, int, int] | None:
    """Return the method, offset and length of an item in one part, from the box ``iloc``."""
    position, end = locations
    version, sizes, more_sizes = data[position], data[position + 4], data[position + 5]
    if version > 2 or not {sizes >> 4, sizes & 15, more_sizes >> 4, more_sizes & 15} <= {0, 4, 8}:
        return None
    offset_form, length_form, base_form = (
        _NUMBERS[size] for size in (sizes >> 4, sizes & 15, more_sizes >> 4)
    )
    index_form = _NUMBERS[more_sizes & 15] if version else ""
    id_form = "L" if version == 2 else "H"
    (count,) = struct.unpack_from(">" + id_form, data, position + 6)
    position += 6 + struct.calcsize(">" + id_form)
    head = ">" + id_form + ("H" if version else "") + "H" + (base_form or "0s") + "H"
    extent = ">" + (index_form or "0s") + (offset_form or "0s") + (length_form or "0s")
    for _ in range(min(count, _MAX_STEPS)):
        if position + struct.calcsize(head) > end:
            return None
        item_id, *method, _, base, extents = struct.unpack_from(head, data, position)
        position += struct.calcsize(head)
        if item_id == wanted and extents == 1:
            _, offset, length = struct.unpack_from(extent, data, position)
            how = method[0] & 15 if method else _IN_FILE
            if how not in (_IN_FILE, _IN_ITEM_DATA) or not length:
                return None
            return how, int(base or 0) + int(offset or 0), int(length)
        position += extents * struct.calcsize(extent)
    return None
