"""WebP; of an animated one, the first frame."""

from __future__ import annotations

import struct

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import MAX_PARTS, Examined, exif


def examine(data: bytes) -> Examined:
    try:
        width, height = _read_size(data)
    except struct.error:
        raise UndecodableImage("The WebP is cut off.") from None
    (promised,) = struct.unpack_from("<L", data, 4)
    if promised + 8 > len(data):
        raise UndecodableImage("The WebP is cut off.")
    metadata = _find_exif(data)
    return Examined(data, width, height, orientation=exif.read_orientation(metadata), exif=metadata)


def _read_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", data, 24)
        return (low_width | high_width << 16) + 1, (low_height | high_height << 16) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<L", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise UndecodableImage("The WebP's header is broken.")


def _find_exif(data: bytes) -> bytes:
    """Return the block of EXIF, the last one if there are more; empty if there is none."""
    position, metadata = 12, b""
    for _ in range(MAX_PARTS):
        if position + 8 > len(data):
            return metadata
        name, length = struct.unpack_from("<4sL", data, position)
        if name == b"EXIF":
            metadata = data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    raise ImageTooLarge(f"The WebP has more than {MAX_PARTS:,} chunks.")
