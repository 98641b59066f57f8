"""JPEG, and the first picture of an MPO.

A file may lack its last bytes, as many on the web do. It is read if every row of the picture is
there: of a picture in one scan at least the beginning of the last row of blocks, of a progressive
one a first pass over all of it. What is missing then is grey, or less sharp.
"""

from __future__ import annotations

import random
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL.JpegImagePlugin import JpegImageFile as _JpegImageFile

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import MAX_PARTS, Examined, exif

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCAN, _END = 0xDA, 0xD9
_APP0, _APP1, _APP14 = 0xE0, 0xE1, 0xEE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
#: Frames, tables, restarts and colour spaces. Of a segment that Pillow does not know it
#: reads the inside as segments, so that others could hide there.
_NEEDED = {*_FRAMES, 0xC4, 0xCC, 0xDB, 0xDD, _APP0, _APP14}
_SHRINKABLE_FRAMES = {0xC0, 0xC1}
_PROGRESSIVE_FRAME = 0xC2
_END_MARKER = b"\xff\xd9"
#: All that say something: not the escaped bytes and restarts inside a scan, nor a second start.
_MARKER = re.compile(rb"\xff[^\xff\x00\x01\xd0-\xd8]")
#: Encoders write about ten. Each scan costs time, however small the picture.
_MAX_SCANS = 1000
#: What a decoder makes of blocks that are not there: zeros, as colours and as inks.
_EMPTY = {127, 128}
#: So much of a picture may be such blocks, all of them in the last row of blocks.
_MAX_EMPTY_SHARE = 1 / 16


@dataclass(frozen=True, slots=True)
class _Scan:
    """A scan of a progressive JPEG.

    Args:
        components: the names of those that it has.
        first, last: of the coefficients that it has, 0 to 63.
        low: how many of their lowest bits are still to come.
    """

    components: tuple[int, ...]
    first: int
    last: int
    low: int

    def list_coefficients(self) -> list[tuple[int, int]]:
        """Return the component and the number of each coefficient."""
        numbers = range(self.first, min(self.last, 63) + 1)
        return [(one, number) for one in self.components for number in numbers]


@dataclass(frozen=True, slots=True)
class _Scans:
    """The scans of a file.

    Args:
        found: how many there are.
        read: those whose headers could be read.
        end: of the last one, or of the marker of the end, in the file.
        is_whole: the marker of the end is there.
    """

    found: int
    read: Sequence[_Scan]
    end: int
    is_whole: bool


def examine(data: bytes) -> Examined:
    kept = [data[:2]]
    size: tuple[int, int] | None = None
    components, components_of = 0, b""
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
            components_of = segment[6::3]
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
    scans = _find_scans(data, position)
    kept.append(data[position - 2 : scans.end])
    if not scans.is_whole and frame == _PROGRESSIVE_FRAME and _shows_all(scans.read, components_of):
        kept.append(_END_MARKER)
    height, width = size
    # A decoder holds the coefficients of all of a picture that comes in more than one scan.
    shrinks = frame in _SHRINKABLE_FRAMES and segment[:1] == bytes([components])
    return Examined(
        b"".join(kept), width, height, orientation=turn or 1, passes=scans.found, shrinks=shrinks
    )


def _find_scans(data: bytes, position: int) -> _Scans:
    """Find the scans from the first one, whose length is at ``position``.

    What follows the end, such as further pictures or a film, may hold any bytes.
    """
    count, read, end, marker = 0, list[_Scan](), position - 2, _SCAN
    while position + 2 <= len(data):
        (length,) = struct.unpack_from(">H", data, position)
        if position + length > len(data):
            break  # cut off in a header: what precedes it may be enough
        if marker == _SCAN:
            count += 1
            read.append(_read_scan(data[position + 2 : position + length]))
        if count > _MAX_SCANS:
            raise ImageTooLarge(f"The JPEG has more than {_MAX_SCANS:,} scans.")
        found = _MARKER.search(data, position + length)
        if found is None:
            return _Scans(count, read, len(data), is_whole=False)
        end, position, marker = found.start(), found.end(), data[found.start() + 1]
        if marker == _END:
            return _Scans(count, read, position, is_whole=True)
    return _Scans(count, read, end, is_whole=False)


def _read_scan(segment: bytes) -> _Scan:
    count = segment[0] if segment else 0
    if len(segment) < 4 + 2 * count:
        return _Scan((), 0, 0, 0)  # broken: the decoder says so
    first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
    return _Scan(tuple(segment[1 : 1 + 2 * count : 2]), first, last, bits & 15)


def _shows_all(scans: Sequence[_Scan], components: Sequence[int]) -> bool:
    """Return whether scans, of which the last may be cut off, show every row of the picture.

    The means of the blocks must be there, of all components, and a first pass over all detail of
    the first one, the brightness; or all that is missing must be of the last scan. Such a picture
    is less sharp, not torn.
    """
    means = {(one, 0) for one in components}
    passed = {one for scan in scans[:-1] for one in scan.list_coefficients()}
    if not passed.issuperset(means):
        return False
    if passed.issuperset((components[0], number) for number in range(64)):
        return True
    low = {one: scan.low for scan in scans for one in scan.list_coefficients()}
    return all(low.get((one, number)) == 0 for one in components for number in range(64))


class JpegImageFile(_JpegImageFile):
    """A JPEG in one scan that may be cut off in its last row of blocks."""

    #: Places in a row that is written if all but the last row of blocks are, and what was there.
    _marks: dict[tuple[int, int], int | tuple[int, ...]]
    _is_cut_off = False

    def load_prepare(self) -> None:
        super().load_prepare()
        # The decoder does not tell how far it came: mark a row that it overwrites.
        width, height = self.size
        _, down, withheld = self._measure_block_rows()
        row = (-(-height // down) - 1) * down - withheld - 1
        dice = random.Random(0)
        bands = len(self.getbands())
        self._marks = {}
        for x in range(0, width, -(-width // 16)):
            place = x, row if row >= 0 else height - 1
            value = tuple(dice.randbytes(bands))
            self.im.putpixel(place, value if bands > 1 else value[0])
            self._marks[place] = value if bands > 1 else value[0]

    def _measure_block_rows(self) -> tuple[int, int, int]:
        """Return by how much the picture is made smaller, the height of a row of blocks, and how
        many rows of pixels a decoder holds back until it has the next one.
        """
        shrunk = self.decoderconfig[0] if self.decoderconfig else 1
        tallest = max(layer[2] for layer in self.layer)
        return shrunk, tallest * 8 // shrunk, tallest if shrunk < 8 else 0

    def load_read(self, read_bytes: int) -> bytes:
        assert self.fp is not None
        content = self.fp.read(read_bytes)
        if content or self._is_cut_off:
            return content
        if all(self.im.getpixel(place) == value for place, value in self._marks.items()):
            raise OSError("rows of the picture are missing")
        self._is_cut_off = True
        return _END_MARKER

    def load_end(self) -> None:
        super().load_end()
        if self._is_cut_off and self._measure_empty_share() > _MAX_EMPTY_SHARE:
            raise OSError("rows of the picture are missing")

    def _measure_empty_share(self) -> float:
        """Return how much of the picture the empty blocks at its end are; 1 if they are a row."""
        width, height = self.size
        row = [self.im.getpixel((x, height - 1)) for x in range(width)]
        last = row[-1]
        if not _EMPTY.issuperset(last if isinstance(last, tuple) else (last,)):
            return 0.0
        empty = next((count for count, one in enumerate(reversed(row)) if one != last), width)
        return 1.0 if empty == width else empty / width * self._measure_block_rows()[1] / height
