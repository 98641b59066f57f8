"""JPEG, and the first picture of an MPO."""

from __future__ import annotations

import re
import struct

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import MAX_PARTS, Examined, exif

_SCAN, _END = 0xDA, 0xD9
_APP0, _APP1, _APP14 = 0xE0, 0xE1, 0xEE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
#: Frames, tables, restarts and colour spaces. Of a segment that Pillow does not know it
#: reads the inside as segments, so that others could hide there.
_NEEDED = {*_FRAMES, 0xC4, 0xCC, 0xDB, 0xDD, _APP0, _APP14}
_SHRINKABLE_FRAMES = {0xC0, 0xC1}
#: All that say something: not the escaped bytes and restarts inside a scan, nor a second start.
_MARKER = re.compile(rb"\xff[^\xff\x00\x01\xd0-\xd8]")
#: Encoders write about ten. Each scan costs time, however small the picture.
_MAX_SCANS = 1000


def examine(data: bytes) -> Examined:
    kept = [data[:2]]
    size: tuple[int, int] | None = None
    components = 0
    turn = 0
    frame = 0
    position = 2
    for _ in range(MAX_PARTS):
        found = _MARKER.search(data, position)  # as decoders do, pass over stray bytes
        if found is None or data[found.start() + 1] == _END or found.end() + 2 > len(data):
            raise UndecodableImage("The JPEG is cut off before its picture begins.")
        position, marker = found.end(), data[found.start() + 1]
        (length,) = struct.unpack_from(">H", data, position)
        segment = data[position + 2 : position + length]
        if length < 2 or len(segment) != length - 2:
            raise UndecodableImage("The JPEG is cut off inside its header.")
        if marker == _SCAN:
            break
        if marker in _FRAMES:
            if size is not None or len(segment) < 6:
                raise UndecodableImage("The JPEG's header is broken.")
            frame, components = marker, segment[5]
            size = struct.unpack_from(">HH", segment, 1)
        if marker == _APP1 and segment.startswith(b"Exif\0\0") and not turn:
            turn = exif.read_orientation(segment)
        if marker in _NEEDED:
            kept.append(b"\xff" + bytes([marker]) + data[position : position + length])
        position += length
    else:
        raise ImageTooLarge(f"The JPEG has more than {MAX_PARTS:,} segments before its picture.")
    if size is None:
        raise UndecodableImage("The JPEG has no frame header.")
    scans, end = _count_scans(data, position)
    kept.append(data[position - 2 : end])
    height, width = size
    # A decoder holds the coefficients of all of a picture that comes in more than one scan.
    shrinks = frame in _SHRINKABLE_FRAMES and segment[:1] == bytes([components])
    return Examined(
        b"".join(kept), width, height, orientation=turn or 1, passes=scans, shrinks=shrinks
    )


def _count_scans(data: bytes, position: int) -> tuple[int, int]:
    """Count the scans from the first one, whose length is at ``position``; return also their end.

    What follows the end, such as further pictures or a film, may hold any bytes.
    """
    scans = 1
    while position + 2 <= len(data):
        (length,) = struct.unpack_from(">H", data, position)
        found = _MARKER.search(data, position + length)
        if found is None:
            break
        position, marker = found.end(), data[found.start() + 1]
        if marker == _END:
            return scans, position
        scans += marker == _SCAN
        if scans > _MAX_SCANS:
            raise ImageTooLarge(f"The JPEG has more than {_MAX_SCANS:,} scans.")
    return scans, len(data)
