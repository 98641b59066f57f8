"""When a camera took a picture, by the EXIF of its file. Imports no Django.

The source is EXIF 2.32 (CIPA DC-008-2019): ``DateTimeOriginal``, which editors keep, with
``SubSecTimeOriginal``, ``Make``, ``Model`` and ``FileSource``.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from django_visualsnoop.engine.images.formats import exif

_MAKE, _MODEL = 0x010F, 0x0110
_TIME, _SUBSECONDS = 0x9003, 0x9291
_FILE_SOURCE = 0xA300
_TAGS = frozenset({_MAKE, _MODEL, _TIME, _SUBSECONDS, _FILE_SOURCE})
#: Scanners of film and of prints. Two scans of one print are copies, whenever they were made.
_SCANNERS = (b"\1", b"\2")
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
#: The year of the first EXIF. Earlier dates come from clocks that nobody set, or were entered by
#: hand for what a picture shows.
_FIRST_YEAR = 1995
_WRITTEN = re.compile(rb"\s*([0-9]{4}):([0-9]{2}):([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})\s*")
#: A time has so many digits of a second at most; cameras write 2 to 6.
_MAX_DIGITS = 6
_PACKED = struct.Struct("<qIB")
#: Length of a packed capture, in bytes.
PACKED_SIZE = _PACKED.size

#: People correct the clock of a camera by time zones, which are multiples of 15 minutes apart …
_ZONE_STEP = 15 * 60 * 10**6
#: … and at most so much, in microseconds.
_LARGEST_CORRECTION = 14 * 3600 * 10**6


class Capture(NamedTuple):
    """When a camera took a picture.

    Args:
        time: the camera's local time, in microseconds since 1970. EXIF seldom has a time zone.
        camera: the first 32 bits of the SHA-256 of the camera's maker and model.
        digits: how many digits of a second the time has, 0 to 6.
    """

    time: int
    camera: int
    digits: int

    def pack(self) -> bytes:
        """Return 13 bytes."""
        return _PACKED.pack(*self)

    @classmethod
    def unpack(cls, packed: bytes) -> Capture:
        """Return the capture of ``pack``.

        Raises:
            ValueError: these bytes do not come from ``pack``.
        """
        if len(packed) != PACKED_SIZE or packed[-1] > _MAX_DIGITS:
            raise ValueError("This is not a packed capture.")
        return cls(*_PACKED.unpack(packed))


def read_capture(block: bytes) -> Capture | None:
    """Return when a camera took a picture.

    Takes a bounded time for hostile bytes, and raises no exception for them.

    Args:
        block: EXIF, a TIFF structure, with or without the ``Exif`` prefix of JPEG.

    Returns:
        ``None`` if the block names no camera, has no time that can be, or is of a scanner.
    """
    values = exif.read_values(block, _TAGS)
    names = [_normalise_name(values.get(tag, b"")) for tag in (_MAKE, _MODEL)]
    written = _WRITTEN.fullmatch(values.get(_TIME, b""))
    if not any(names) or written is None or values.get(_FILE_SOURCE) in _SCANNERS:
        return None
    try:
        moment = datetime(*map(int, written.groups()))  # type: ignore[arg-type]
    except ValueError:  # such as a month 0 or 13
        return None
    if moment.year < _FIRST_YEAR:
        return None
    digits = _read_digits(values.get(_SUBSECONDS, b""))
    time = (moment - _EPOCH) // _MICROSECOND + int(digits.ljust(_MAX_DIGITS, b"0"))
    digest = sha256(b"\0".join(names)).digest()
    return Capture(time, int.from_bytes(digest[:4], "big"), len(digits))


def _normalise_name(name: bytes) -> bytes:
    """Return a name in lower case, without the spaces and zeros that cameras add."""
    return b" ".join(name.replace(b"\0", b" ").lower().split())


def _read_digits(written: bytes) -> bytes:
    """Return the digits of a second, without those beyond microseconds.

    Some cameras write nothing but zeros, and software does when it does not know: this returns
    none for that.
    """
    digits = written.strip()
    return digits[:_MAX_DIGITS] if digits.isdigit() and digits.strip(b"0") else b""


def tell_apart(one: Capture | None, other: Capture | None) -> bool:
    """Return whether two files are two shots by their capture times, however alike they look.

    This compares as many digits of a second as both times have: exports keep the time, but some
    leave out digits. Different cameras at the same time prove nothing, since software changes the
    names of cameras. If the camera is the same and the difference may be a corrected time zone,
    this proves nothing either: it is a multiple of 15 minutes, up to 14 hours, without a
    remainder.

    Args:
        one, other: of two files; ``None`` if a file has no capture time of a camera.
    """
    if one is None or other is None:
        return False
    step: int = 10 ** (_MAX_DIGITS - min(one.digits, other.digits))
    apart = abs(one.time // step - other.time // step) * step
    is_correction = apart <= _LARGEST_CORRECTION and apart % _ZONE_STEP == 0
    return apart > 0 and not (is_correction and one.camera == other.camera)
