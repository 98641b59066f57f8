"""JPEG, and the first picture of an MPO.

A file may lack its last bytes, as many on the web do. It is read if every row of the picture is
there: of a picture in one scan at least the beginning of the last row of blocks, of a progressive
one a first pass over all of it. What is missing then is grey, or less sharp.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import MAX_PARTS, Examined, exif

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
_EMPTY = (127, 128)
#: So much of a picture may be such blocks, all of them in the last row of blocks.
MAX_MISSING_SHARE = 1 / 16
MISSING = "The JPEG is cut off: rows of the picture are missing."


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
        found: all, of which the last may be cut off.
        whole: how many are not.
        end: of the last one, or of the marker of the end, in the file.
        is_ended: the marker of the end is there.
    """

    found: Sequence[_Scan]
    whole: int
    end: int
    is_ended: bool


def examine(data: bytes) -> Examined:
    kept = [data[:2]]
    size: tuple[int, int] | None = None
    components, names, sampling = 0, b"", b""
    metadata = b""
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
            names, sampling = segment[6::3], segment[7::3]
            size = struct.unpack_from(">HH", segment, 1)
        if marker == _APP1 and segment.startswith(b"Exif\0\0") and not metadata:
            metadata = segment
        if marker in _NEEDED:
            kept.append(b"\xff" + bytes([marker]) + data[position : position + length])
        position += length
    else:
        raise ImageTooLarge(f"The JPEG has more than {MAX_PARTS:,} segments before its picture.")
    if size is None:
        raise UndecodableImage("The JPEG has no frame header.")
    scans = _find_scans(data, position)
    kept.append(data[position - 2 : scans.end])
    height, width = size
    # A decoder holds the coefficients of all of a picture that comes in more than one scan.
    shrinks = frame in _SHRINKABLE_FRAMES and segment[:1] == bytes([components])
    torn_block = None
    if not scans.is_ended:
        if shrinks:
            torn_block = (
                8 * max(factors >> 4 for factors in sampling),
                8 * max(factors & 15 for factors in sampling),
            )
        elif frame != _PROGRESSIVE_FRAME or not _shows_all(scans, names):
            raise UndecodableImage(MISSING)
        kept.append(_END_MARKER)
    return Examined(
        b"".join(kept),
        width,
        height,
        orientation=exif.read_orientation(metadata),
        exif=metadata,
        passes=len(scans.found),
        shrinks=shrinks,
        torn_block=torn_block,
    )


def _find_scans(data: bytes, position: int) -> _Scans:
    """Find the scans from the first one, whose length is at ``position``.

    What follows the end, such as further pictures or a film, may hold any bytes.
    """
    found, whole, end, marker = list[_Scan](), 0, position - 2, _SCAN
    while position + 2 <= len(data):
        (length,) = struct.unpack_from(">H", data, position)
        if position + length > len(data):
            break  # cut off in a header: what precedes it may be enough
        if marker == _SCAN:
            found.append(_read_scan(data[position + 2 : position + length]))
        if len(found) > _MAX_SCANS:
            raise ImageTooLarge(f"The JPEG has more than {_MAX_SCANS:,} scans.")
        following = _MARKER.search(data, position + length)
        if following is None:
            return _Scans(found, whole, len(data), is_ended=False)
        whole = len(found)
        end, position = following.start(), following.end()
        marker = data[end + 1]
        if marker == _END:
            return _Scans(found, whole, position, is_ended=True)
    return _Scans(found, whole, end, is_ended=False)


def _read_scan(segment: bytes) -> _Scan:
    count = segment[0] if segment else 0
    if len(segment) < 4 + 2 * count:
        return _Scan((), 0, 0, 0)  # broken: the decoder says so
    first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
    return _Scan(tuple(segment[1 : 1 + 2 * count : 2]), first, last, bits & 15)


def _shows_all(scans: _Scans, components: Sequence[int]) -> bool:
    """Return whether a cut off file lacks at most the last bit of its coefficients.

    Every row is there then. A file that lacks more shows every row, too, but less sharp, and is
    probably half uploaded: it is refused, so that the worker tries again.
    """
    passed = {one for scan in scans.found[: scans.whole] for one in scan.list_coefficients()}
    if not passed.issuperset((one, 0) for one in components):
        return False
    low = {one: scan.low for scan in scans.found for one in scan.list_coefficients()}
    return all(low.get((one, number), 2) < 2 for one in components for number in range(64))


def measure_missing_share(row: NDArray[np.uint8], block: tuple[float, float]) -> float:
    """Return how much of a picture was not in its cut off file.

    Blocks come row by row, from left to right: if there are any of the last row, all rows above
    are there. The decoder makes one more up from the bits that are left.

    Args:
        row: the last one of the decoded picture: its width, or width x channels.
        block: width in pixels of ``row``, and height as a share of the picture's.

    Returns:
        A share of 1; or 1 if all of the last row of blocks is missing.
    """
    values = row.reshape(len(row), -1)
    if not np.isin(values[-1], _EMPTY).all():
        return 0.0
    width, height = block
    is_there = (values != values[-1]).any(axis=1)
    count = len(row) - int(is_there[::-1].argmax()) if is_there.any() else 0
    made_up = width + 2  # of the next one, some pixels are smoothed
    return 1.0 if count <= made_up else (len(row) - count + width) / len(row) * height
