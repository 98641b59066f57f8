"""BMP."""

from __future__ import annotations

import struct

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.formats import Examined

_RUNS = (1, 2)
#: Pillow unpacks runs in Python, at about a microsecond each.
_MAX_PIXELS_OF_RUNS = 2_000_000


def examine(data: bytes) -> Examined:
    if len(data) < 26:
        raise UndecodableImage("The BMP is cut off.")
    (header_size,) = struct.unpack_from("<L", data, 14)
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ll", data, 18)
    if header_size > 12 and len(data) >= 34:
        (compression,) = struct.unpack_from("<L", data, 30)
        if compression in _RUNS and _is_work(abs(width) * abs(height), len(data)):
            raise ImageTooLarge(
                f"The BMP has more than {_MAX_PIXELS_OF_RUNS:,} pixels in a run-length encoding "
                "that hardly compresses them."
            )
    return Examined(data, abs(width), abs(height))


def _is_work(pixels: int, length: int) -> bool:
    # Runs that add no pixel cost time, too.
    return pixels > _MAX_PIXELS_OF_RUNS or length > pixels * 3 // 2 + 10_000
