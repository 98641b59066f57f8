"""PNG; of an animated one, the default picture."""

from __future__ import annotations

import struct

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.formats import MAX_PARTS, Examined, exif

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


def examine(data: bytes) -> Examined:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise UndecodableImage("The PNG does not begin with its header.")
    width, height = struct.unpack_from(">LL", data, 16)
    kept = [SIGNATURE]
    turn = 1
    position = len(SIGNATURE)
    for _ in range(MAX_PARTS):
        if position + 8 > len(data):
            raise UndecodableImage("The PNG is cut off.")
        length, name = struct.unpack_from(">L4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise UndecodableImage("The PNG is cut off.")
        if name in _NEEDED:
            kept.append(data[position:end])
        elif name == b"eXIf":
            turn = exif.orientation(data[position + 8 : end - 4])
        position = end
        if name == b"IEND":
            return Examined(b"".join(kept), width, height, orientation=turn)
    raise ImageTooLarge(f"The PNG has more than {MAX_PARTS:,} chunks.")
