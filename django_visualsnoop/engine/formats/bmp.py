"""BMP."""

from __future__ import annotations

import struct

from django_visualsnoop.engine.exceptions import UndecodableImage
from django_visualsnoop.engine.formats import Examined


def examine(data: bytes) -> Examined:
    if len(data) < 26:
        raise UndecodableImage("The BMP is cut off.")
    (header_size,) = struct.unpack_from("<L", data, 14)
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ll", data, 18)
    return Examined(data, abs(width), abs(height))
