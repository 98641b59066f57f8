"""GIF; of an animated one, the first frame, and the others for those that begin blank."""

from __future__ import annotations

import re
import struct
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import MAX_PARTS, After, Examined, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
_TRANSPARENT = 0x01
_MEANINGFUL = re.compile(rb"[\x21\x2c\x3b]")
#: Of one chain, each of up to 255 bytes.
_MAX_BLOCKS = 10 * MAX_PARTS


def _compute_palette_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _find_end_of_blocks(data: bytes, position: int) -> int:
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


class _GifPart(NamedTuple):
    """A frame of the file: the block before it that says how it is drawn, and where it lies."""

    control: bytes
    start: int
    end: int

    def place(self, data: bytes) -> tuple[int, int, int, int]:
        """Return the left, top, width and height that it has on the screen."""
        left, top, width, height = struct.unpack_from("<HHHH", data, self.start + 1)
        return left, top, width, height

    @property
    def after(self) -> After:
        disposal = self.control[3] >> 2 & 7 if self.control else 0
        return {2: After.CLEAR, 3: After.RESTORE}.get(disposal, After.KEEP)

    @property
    def transparency(self) -> bytes:
        """The control block, cut to the transparency: no next frame comes."""
        if not self.control:
            return b""
        return self.control[:3] + bytes([self.control[3] & _TRANSPARENT, 0, 0, self.control[6], 0])


def _examine(data: bytes) -> Examined:
    width, height, _ = struct.unpack_from("<HHB", data, 6)
    first = next(_split_parts(data), None)
    if first is None:
        raise UndecodableImage("The GIF contains no picture.")
    left, top, frame_width, frame_height = first.place(data)
    size = max(width, left + frame_width), max(height, top + frame_height)
    still = _build_header(data, size) + first.transparency + data[first.start : first.end]
    return Examined(still + bytes([_TRAILER]), *size, frames=partial(_iterate_frames, data, size))


def _build_header(data: bytes, size: tuple[int, int]) -> bytes:
    """Return the file's header, with its colours, and the size of a screen."""
    end = 13 + _compute_palette_size(data[10])
    return data[:6] + struct.pack("<HH", *size) + data[10:end]


def _split_parts(data: bytes) -> Iterator[_GifPart]:
    """Yield the frames of the file.

    Raises:
        IndexError, struct.error: it is cut off.
        ImageTooLarge: there are too many blocks before a frame.
    """
    position = 13 + _compute_palette_size(data[10])
    control = b""
    blocks = 0
    while blocks < MAX_PARTS:
        found = _MEANINGFUL.search(data, position)  # decoders pass over stray bytes
        if found is None:
            raise IndexError
        position = found.start()
        if data[position] == _TRAILER:
            return
        if data[position] == _IMAGE:
            (flags,) = struct.unpack_from("<B", data, position + 9)
            end = _find_end_of_blocks(data, position + 10 + _compute_palette_size(flags) + 1)
            yield _GifPart(control, position, end)
            position, control, blocks = end, b"", 0
            continue
        end = _find_end_of_blocks(data, position + 2)
        if data[position + 1] == _GRAPHIC_CONTROL and data[position + 2] == 4:
            control = data[position : position + 8]
        position = end
        blocks += 1
    raise ImageTooLarge(f"The GIF has more than {MAX_PARTS:,} blocks before its picture.")


def _iterate_frames(data: bytes, screen: tuple[int, int]) -> Iterator[Frame]:
    """Yield the frames, as far as they are whole and lie on the screen."""
    try:
        for part in _split_parts(data):
            left, top, width, height = part.place(data)
            if left + width > screen[0] or top + height > screen[1]:
                return
            place = data[part.start : part.start + 1] + struct.pack("<HHHH", 0, 0, width, height)
            alone = place + data[part.start + 9 : part.end] + bytes([_TRAILER])
            still = _build_header(data, (width, height)) + part.transparency + alone
            yield Frame(still, left, top, width, height, part.after)
    except (IndexError, struct.error):
        return
