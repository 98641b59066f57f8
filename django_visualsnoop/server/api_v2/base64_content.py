"""Image files within JSON: base64 (RFC 4648, 4)."""

from __future__ import annotations

import binascii
from base64 import b64decode

from django_visualsnoop.server.exceptions import Refused


def decode_content(text: str) -> bytes:
    """Return the bytes that a base64 text stands for.

    Raises:
        Refused: 400, it is none.
    """
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, f"content must be the file in base64, not {text!r:.40}.") from None
