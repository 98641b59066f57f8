"""Read the header of a file before a decoder sees the file.

Each module examines one format. It checks the size in the header, and passes on only the parts
that the pixels need. Comments, profiles, thumbnails, further frames and broken metadata never
reach Pillow, which would parse some of them with warnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The limit of a file's segments, chunks, blocks or strips. Each takes far more time to read
#: than a pixel, and no real picture has more.
MAX_PARTS = 100_000


class After(Enum):
    """What becomes of a frame's place before the next frame is drawn."""

    KEEP = 0
    #: It becomes transparent.
    CLEAR = 1
    #: It becomes what it was before the frame.
    RESTORE = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of an animation.

    Args:
        data: a file of its own, with this frame alone.
        left, top, width, height: its place in the picture, in pixels.
        after: see there.
        replaces: its transparent pixels replace what is there, and do not show it.
    """

    data: bytes
    left: int
    top: int
    width: int
    height: int
    after: After
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """A file whose header was read.

    Args:
        data: the file, reduced to what the pixels need.
        width, height: in pixels, before the orientation is applied.
        orientation: EXIF's, 1 to 8.
        exif: the block of EXIF, a TIFF structure, with or without the ``Exif`` prefix of JPEG;
            empty if the file has none. It may be broken, or the whole file.
        passes: how often a decoder goes over all pixels (scans of a progressive JPEG).
        shrinks: the decoder can make it smaller while reading, without holding all of it.
        decoded_pixels: what a decoder may hold at once, if that is more than the picture.
        torn_block: width and height of a block of pixels, in a file that is cut off: the last
            row of these may be there in part.
        frames: reads the frames of an animation whose ``data`` holds one picture alone.
    """

    data: bytes
    width: int
    height: int
    orientation: int = 1
    exif: bytes = b""
    passes: int = 1
    shrinks: bool = False
    decoded_pixels: int = 0
    torn_block: tuple[int, int] | None = None
    frames: Callable[[], Iterator[Frame]] | None = None
