"""Tiny pictures, no two alike, and files that are none."""

from __future__ import annotations

import io
import os

from PIL import Image

_REFUSED = b"no picture: "
_SIDE = 8


def picture() -> bytes:
    """Return a PNG of noise."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (_SIDE, _SIDE), os.urandom(3 * _SIDE * _SIDE)).save(buffer, "PNG")
    return buffer.getvalue()


def refused() -> bytes:
    """Return bytes that every collection refuses."""
    return _REFUSED + os.urandom(8).hex().encode()


def is_refused(content: bytes) -> bool:
    return content.startswith(_REFUSED)
