"""HEIF, and telling it from AVIF."""

from __future__ import annotations

import io
import re
import struct
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from pillow_heif.as_plugin import HeifImageFile, _save_heif

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage, UnsupportedImage
from django_visualsnoop.engine.images.decode import decode, find_format
from django_visualsnoop.engine.images.formats import heif
from tests.engine import pictures
from tests.engine.images.corners import assert_corners, corners
from tests.engine.pictures import saved


def heic(image: Image.Image, **options: Any) -> bytes:
    written = io.BytesIO()
    options.setdefault("quality", 95)
    image.encoderinfo = options
    _save_heif(image, written, "")
    return written.getvalue()


def test_heic() -> None:
    content = heic(corners())
    assert find_format(content) == "HEIF"
    picture = decode(content)
    assert (picture.width, picture.height) == (80, 60)
    assert_corners(content, tolerance=40)
    assert_corners(heic(corners(1100, 900), tile_size=512), tolerance=40)


@pytest.mark.parametrize(
    ("major", "others", "kind"),
    [
        (b"heic", b"mif1heic", "HEIF"),
        (b"mif1", b"mif1heic", "HEIF"),
        (b"mif1", b"miafMiHBheix", "HEIF"),
        (b"msf1", b"hevcmif1", "HEIF"),
        (b"heix", b"", "HEIF"),
        (b"hevc", b"", "HEIF"),
        (b"mif1", b"", "HEIF"),
        (b"miaf", b"heic", "HEIF"),
        (b"heic", b"mif1avif", "HEIF"),
        (b"avif", b"mif1heic", "AVIF"),
        (b"mif1", b"miafavif", "AVIF"),
        (b"msf1", b"avis", "AVIF"),
        (b"isom", b"isomavc1mp41", None),
        (b"qt  ", b"", None),
    ],
)
def test_brands(major: bytes, others: bytes, kind: str | None) -> None:
    start = struct.pack(">L4s4sL", 16 + len(others), b"ftyp", major, 0) + others
    if kind is None:
        with pytest.raises(UnsupportedImage, match="HEIC"):
            find_format(start + bytes(50))
    else:
        assert find_format(start + bytes(50)) == kind


def test_generic_brands_are_told_by_what_is_in_the_file() -> None:
    def generic(content: bytes) -> bytes:
        length = int.from_bytes(content[:4], "big")
        brands = b"mif1" + content[12:16] + b"mif1" * ((length - 16) // 4)
        return content[:8] + brands + content[length:]

    content = generic(heic(corners()))
    assert find_format(content) == "HEIF"
    assert_corners(content, tolerance=40)
    if features.check("avif"):
        content = generic(saved(corners(), "AVIF"))
        assert find_format(content) == "AVIF"
        assert_corners(content, tolerance=40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    kind = "JPEG"
    content = heic(corners(), exif=exif.tobytes())
    turned = decode(content)
    expected = decode(saved(corners(), kind, quality=95, exif=exif))
    assert (turned.width, turned.height) == (expected.width, expected.height)
    difference = turned.pixels.astype(int) - expected.pixels
    assert np.abs(difference).mean() < 8


def test_heic_with_transparency_is_laid_on_a_ground() -> None:
    content = heic(pictures.logo("ACME", pictures.WHITE))
    pixels = decode(content).pixels
    assert pixels[0, 0].max() < 20
    assert pixels.max() > 240


def test_hostile_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    content = heic(corners(300, 200))
    for length in (20, 100, 500, len(content) * 9 // 10, len(content) - 1):
        with pytest.raises(UndecodableImage):
            decode(content[:length])
    huge = re.sub(
        rb"(ispe\0{4}).{8}", lambda found: found[1] + b"\0\1\0\0" * 2, content, flags=re.DOTALL
    )
    small = re.sub(
        rb"(ispe\0{4}).{8}", lambda found: found[1] + b"\0\0\0\x40" * 2, content, flags=re.DOTALL
    )
    with pytest.raises((UndecodableImage, ImageTooLarge)):
        decode(small)

    def never(*args: Any) -> None:
        pytest.fail("it was decoded")

    monkeypatch.setattr(HeifImageFile, "load", never)
    with pytest.raises(ImageTooLarge, match=r"4,294,967,296 pixels; at most 75,000,000"):
        decode(huge)
    with pytest.raises(ImageTooLarge, match="at most 59,999"):
        decode(content, max_pixels=59_999)


def test_heic_with_broken_metadata() -> None:
    content = heic(corners(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff", xmp=b"<x" * 50)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_corners(content, tolerance=40)
    assert caught == []
    assert b"Exif" not in heif.strip_metadata(content).split(b"mdat")[0]


def test_heic_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    content = heic(corners())
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    with pytest.raises(UnsupportedImage, match=r'pip install "django-visualsnoop\[heif\]"'):
        decode(content)
