"""The first frame of a GIF."""

from __future__ import annotations

import struct

from django_visualsnoop.engine.exceptions import UndecodableImage
from django_visualsnoop.engine.formats import Examined

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
_TRANSPARENT = 0x01


def _palette_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_blocks(data: bytes, position: int) -> int:
    """Return where the chain of sub-blocks that begins here ends."""
    while data[position]:
        position += data[position] + 1
    return position + 1


def examine(data: bytes) -> Examined:
    try:
        return _examine(data)
    except (IndexError, struct.error):
        raise UndecodableImage("The GIF is cut off.") from None


def _examine(data: bytes) -> Examined:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _palette_size(flags)
    header = data[:position]
    control = b""
    while data[position] != _IMAGE:
        if data[position] == _TRAILER:
            raise UndecodableImage("The GIF holds no picture.")
        if data[position] == _EXTENSION:
            end = _end_of_blocks(data, position + 2)
            if data[position + 1] == _GRAPHIC_CONTROL and data[position + 2] == 4:
                # Of this frame's block only the transparency matters: no next frame comes.
                only_transparency = bytes([data[position + 3] & _TRANSPARENT])
                control = (
                    data[position : position + 3] + only_transparency + data[position + 4 : end]
                )
            position = end
        else:
            position += 1  # decoders pass over stray bytes
    left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, position + 1)
    end = _end_of_blocks(data, position + 10 + _palette_size(flags) + 1)
    frame = data[position:end]
    size = max(width, left + frame_width), max(height, top + frame_height)
    screen = header[:6] + struct.pack("<HH", *size) + header[10:]
    return Examined(screen + control + frame + bytes([_TRAILER]), *size)
