"""The first frame of a GIF."""

from __future__ import annotations

import re
import struct

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.formats import MAX_PARTS, Examined

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
_TRANSPARENT = 0x01
_MEANINGFUL = re.compile(rb"[\x21\x2c\x3b]")
#: Of one chain, each of up to 255 bytes.
_MAX_BLOCKS = 10 * MAX_PARTS


def _palette_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_blocks(data: bytes, position: int) -> int:
    """Return where the chain of sub-blocks that begins here ends."""
    for _ in range(_MAX_BLOCKS):
        if not data[position]:
            return position + 1
        position += data[position] + 1
    raise ImageTooLarge(f"The GIF has more than {_MAX_BLOCKS:,} blocks in a row.")


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
    for _ in range(MAX_PARTS):
        found = _MEANINGFUL.search(data, position)  # decoders pass over stray bytes
        if found is None:
            raise IndexError
        position = found.start()
        if data[position] == _IMAGE:
            break
        if data[position] == _TRAILER:
            raise UndecodableImage("The GIF holds no picture.")
        end = _end_of_blocks(data, position + 2)
        if data[position + 1] == _GRAPHIC_CONTROL and data[position + 2] == 4:
            # Of this frame's block only the transparency matters: no next frame comes.
            transparency = bytes([data[position + 3] & _TRANSPARENT, 0, 0, data[position + 6], 0])
            control = data[position : position + 3] + transparency
        position = end
    else:
        raise ImageTooLarge(f"The GIF has more than {MAX_PARTS:,} blocks before its picture.")
    left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, position + 1)
    end = _end_of_blocks(data, position + 10 + _palette_size(flags) + 1)
    frame = data[position:end]
    size = max(width, left + frame_width), max(height, top + frame_height)
    screen = header[:6] + struct.pack("<HH", *size) + header[10:]
    return Examined(screen + control + frame + bytes([_TRAILER]), *size)
