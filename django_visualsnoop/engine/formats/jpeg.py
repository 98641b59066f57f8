"""JPEG, and the first picture of an MPO."""

from __future__ import annotations

import struct

from django_visualsnoop.engine.exceptions import UndecodableImage
from django_visualsnoop.engine.formats import Examined, exif

_START, _SCAN, _END = 0xD8, 0xDA, 0xD9
_APP0, _APP1, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8), _START}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SHRINKABLE_FRAMES = {0xC0, 0xC1}  # the others hold all coefficients in memory


def examine(data: bytes) -> Examined:
    kept = [data[:2]]
    size: tuple[int, int] | None = None
    turn = 0
    frame = 0
    position = 2
    while True:
        position = data.find(b"\xff", position)  # as decoders do, pass over stray bytes
        if position < 0:
            raise UndecodableImage("The JPEG is cut off before its picture begins.")
        while data[position : position + 1] == b"\xff":
            position += 1
        marker = data[position] if position < len(data) else _END
        position += 1
        if marker in _WITHOUT_LENGTH or marker == 0:
            continue
        if marker == _END or position + 2 > len(data):
            raise UndecodableImage("The JPEG is cut off before its picture begins.")
        (length,) = struct.unpack_from(">H", data, position)
        segment = data[position + 2 : position + length]
        if length < 2 or len(segment) != length - 2:
            raise UndecodableImage("The JPEG is cut off inside its header.")
        if marker == _SCAN:
            break
        if marker in _FRAMES:
            if size is not None or len(segment) < 6:
                raise UndecodableImage("The JPEG's header is broken.")
            frame = marker
            size = struct.unpack_from(">HH", segment, 1)
        if marker == _APP1 and segment.startswith(b"Exif\0\0") and not turn:
            turn = exif.orientation(segment)
        needless = (_APP0 < marker <= _APP15 and marker != _APP14) or marker == _COMMENT
        if not needless:
            kept.append(b"\xff" + bytes([marker]) + data[position : position + length])
        position += length
    if size is None:
        raise UndecodableImage("The JPEG has no frame header.")
    # Marker bytes inside a scan are escaped, so each of these begins one.
    scans = data.count(b"\xff\xda", position - 2)
    kept.append(data[position - 2 :])
    height, width = size
    return Examined(
        b"".join(kept),
        width,
        height,
        orientation=turn or 1,
        passes=scans,
        shrinks=frame in _SHRINKABLE_FRAMES,
    )
