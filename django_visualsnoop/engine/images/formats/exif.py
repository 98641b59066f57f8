"""The one EXIF tag that matters to pixels."""

from __future__ import annotations

import struct

ORIENTATION = 0x0112
_SHORT = 3
_PREFIX = b"Exif\0\0"


def read_orientation(exif: bytes) -> int:
    """Return EXIF's orientation, 1 to 8; 1 if there is none or the block is broken.

    Args:
        exif: a TIFF structure, with or without the ``Exif`` prefix of JPEG.
    """
    exif = exif.removeprefix(_PREFIX)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "L", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHLH", exif, entry)
            if tag == ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
