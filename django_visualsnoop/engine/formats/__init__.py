"""What a file says of itself, read here before any decoder sees it.

Each module examines one format: it checks the size that the header promises,
and passes on only the parts that the pixels need. Comments, profiles,
thumbnails, further frames and broken metadata never reach Pillow, which would
parse some of them with warnings, and warnings are the process's own affair.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Of a file's segments, chunks, blocks or strips. More of them are no picture,
#: but work: each costs far more time to look at than a pixel.
MAX_PARTS = 100_000


@dataclass(frozen=True, slots=True)
class Examined:
    """A file whose header was read.

    Args:
        data: the file, reduced to what the pixels need.
        width, height: in pixels, before the orientation is applied.
        orientation: EXIF's, 1 to 8.
        passes: how often a decoder goes over all pixels (scans of a progressive JPEG).
        shrinks: the decoder can make it smaller while reading, without holding all of it.
    """

    data: bytes
    width: int
    height: int
    orientation: int = 1
    passes: int = 1
    shrinks: bool = False
