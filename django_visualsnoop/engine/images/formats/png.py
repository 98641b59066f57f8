"""PNG; of an animated one, the default picture, and the frames for those that begin blank."""

from __future__ import annotations

import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import MAX_PARTS, After, Examined, Frame, exif

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
#: What each frame of an animation needs of the file.
_SHARED = {b"PLTE", b"tRNS"}
_END = struct.pack(">L4sL", 0, b"IEND", zlib.crc32(b"IEND"))


class _Chunk(NamedTuple):
    name: bytes
    #: Of the whole chunk, with its length and checksum.
    start: int
    end: int

    def body(self, data: bytes) -> bytes:
        return data[self.start + 8 : self.end - 4]


def examine(data: bytes) -> Examined:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise UndecodableImage("The PNG does not begin with its header.")
    width, height = struct.unpack_from(">LL", data, 16)
    kept = [SIGNATURE]
    metadata = b""
    animated = False
    for chunk in _iterate_chunks(data):
        if chunk.name in _NEEDED:
            kept.append(data[chunk.start : chunk.end])
        elif chunk.name == b"eXIf":
            metadata = chunk.body(data)
        animated |= chunk.name == b"fcTL"
    frames = partial(_iterate_frames, data, width, height) if animated else None
    return Examined(
        b"".join(kept),
        width,
        height,
        orientation=exif.read_orientation(metadata),
        exif=metadata,
        frames=frames,
    )


def _iterate_chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the chunks up to the end.

    Raises:
        UndecodableImage: the file is cut off.
        ImageTooLarge: there are too many of them.
    """
    position = len(SIGNATURE)
    for _ in range(MAX_PARTS):
        if position + 8 > len(data):
            raise UndecodableImage("The PNG is cut off.")
        length, name = struct.unpack_from(">L4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise UndecodableImage("The PNG is cut off.")
        yield _Chunk(name, position, end)
        position = end
        if name == b"IEND":
            return
    raise ImageTooLarge(f"The PNG has more than {MAX_PARTS:,} chunks.")


def _iterate_frames(data: bytes, width: int, height: int) -> Iterator[Frame]:
    """Yield the frames of an animation, as far as they lie in the picture."""
    shared = b""
    control: tuple[int, ...] | None = None
    pixels: list[bytes] = []
    for chunk in _iterate_chunks(data):
        if chunk.name in _SHARED:
            shared += data[chunk.start : chunk.end]
        elif chunk.name == b"IDAT" and control:
            pixels.append(chunk.body(data))
        elif chunk.name == b"fdAT" and control:
            pixels.append(chunk.body(data)[4:])  # behind its number
        if chunk.name not in (b"fcTL", b"IEND"):
            continue
        if control and pixels:
            yield _build_frame(data, shared, control, b"".join(pixels))
        if chunk.name == b"IEND" or chunk.end - chunk.start != 38:
            return
        control, pixels = struct.unpack_from(">LLLL4xBB", data, chunk.start + 12), []
        across, down, left, top, *_ = control
        if not across or not down or left + across > width or top + down > height:
            return


def _build_frame(data: bytes, shared: bytes, control: tuple[int, ...], pixels: bytes) -> Frame:
    width, height, left, top, after, blend = control
    header = struct.pack(">LL", width, height) + data[24:29]
    still = (
        SIGNATURE + _build_chunk(b"IHDR", header) + shared + _build_chunk(b"IDAT", pixels) + _END
    )
    disposal = {1: After.CLEAR, 2: After.RESTORE}.get(after, After.KEEP)
    return Frame(still, left, top, width, height, disposal, replaces=blend == 0)


def _build_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">L4s", len(body), name) + body + struct.pack(">L", zlib.crc32(name + body))
