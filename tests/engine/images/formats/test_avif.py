"""AVIF."""

from __future__ import annotations

import struct
import warnings

import pytest
from PIL import Image, features

from django_visualsnoop.engine.images.decode import decode
from tests.engine.images.corners import corners
from tests.engine.pictures import saved


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_avif_with_broken_exif() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a long enough description"
    content = saved(corners(), "AVIF", exif=exif)
    offset = struct.pack(">HHLL", 0x010E, 2, 26, 26)
    assert offset in content
    content = content.replace(offset, offset[:8] + b"\xff" * 4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picture = decode(content)
    assert caught == []
    assert (picture.width, picture.height) == (60, 80)
