"""What the examination of a WebP bounds and keeps."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from django_visualsnoop.engine.exceptions import ImageTooLarge
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.images.formats import MAX_PARTS, webp
from tests.engine.images.corners import corners
from tests.engine.pictures import saved


def test_webp_of_very_many_chunks() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    content = saved(corners(), "WEBP", exif=exif)

    def followed_by(junk: bytes) -> bytes:
        return content[:4] + struct.pack("<L", len(content) - 8 + len(junk)) + content[8:] + junk

    assert webp.examine(followed_by(b"JUNK\0\0\0\0" * 1000)).orientation == 3
    with pytest.raises(ImageTooLarge, match="chunks"):
        decode(followed_by(b"JUNK\0\0\0\0" * MAX_PARTS))
