"""What the examination of a PNG bounds and keeps."""

from __future__ import annotations

import struct
import zlib

import pytest

from django_visualsnoop.engine.exceptions import ImageTooLarge
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.images.formats import MAX_PARTS
from tests.engine.images.corners import assert_corners, corners
from tests.engine.pictures import saved


@pytest.mark.parametrize("name", [b"IDAT", b"tEXt"])
def test_png_of_very_many_chunks(name: bytes) -> None:
    content = saved(corners(), "PNG")
    chunk = struct.pack(">L", 0) + name + struct.pack(">L", zlib.crc32(name))
    place = content.index(b"IDAT") - 4
    assert_corners(content[:place] + chunk * 1000 + content[place:])
    with pytest.raises(ImageTooLarge, match="chunks"):
        decode(content[:place] + chunk * MAX_PARTS + content[place:])
