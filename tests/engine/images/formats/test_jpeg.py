"""What the examination of a JPEG bounds and keeps."""

from __future__ import annotations

import re
import struct
import warnings

import pytest
from PIL import Image

from django_visualsnoop.engine.exceptions import ImageTooLarge
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.images.formats import MAX_PARTS, jpeg
from tests.engine.images.corners import assert_corners, corners
from tests.engine.pictures import saved


def test_baseline_jpegs_may_be_larger() -> None:
    content = saved(corners(200, 100), "JPEG")
    decode(content, max_pixels=5_000)
    with pytest.raises(ImageTooLarge):
        decode(content, max_pixels=4_999)
    progressive = saved(corners(200, 100), "JPEG", progressive=True)
    decode(progressive, max_pixels=20_000)
    with pytest.raises(ImageTooLarge):
        decode(progressive, max_pixels=19_999)


def test_jpeg_of_very_many_scans() -> None:
    content = saved(corners(200, 100), "JPEG", progressive=True)
    scan = content.rindex(b"\xff\xda")
    bomb = content[:-2] + content[scan:-2] * 500 + content[-2:]
    with pytest.raises(ImageTooLarge, match="scans"):
        decode(bomb, max_pixels=20_000)


def jpeg_header(frame: int, components: int, in_first_scan: int) -> bytes:
    sof = struct.pack(">BHHB", 8, 60, 80, components) + bytes(3 * components)
    sos = bytes([in_first_scan]) + bytes(2 * in_first_scan + 3)
    return b"".join(
        struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
        for marker, body in ((frame, sof), (0xDA, sos))
    )


@pytest.mark.parametrize(
    ("frame", "in_first_scan", "shrinks"),
    [(0xC0, 3, True), (0xC1, 3, True), (0xC0, 1, False), (0xC2, 3, False), (0xC9, 3, False)],
)
def test_only_jpegs_of_one_scan_shrink(frame: int, in_first_scan: int, shrinks: bool) -> None:
    content = b"\xff\xd8" + jpeg_header(frame, 3, in_first_scan) + b"\0\0\xff\xd9"
    assert jpeg.examine(content).shrinks is shrinks


def test_a_film_behind_a_jpeg_has_no_scans() -> None:
    content = saved(corners(), "JPEG", quality=95)
    examined = jpeg.examine(content + b"\xff\xda" * 5000)
    assert (examined.passes, examined.data[-2:]) == (1, b"\xff\xd9")
    assert_corners(content + b"\xff\xda" * 5000, tolerance=30)


def test_markers_inside_a_jpegs_segments_are_no_scans() -> None:
    content = saved(corners(), "JPEG", progressive=True)
    second = content.index(b"\xff\xda", content.index(b"\xff\xda") + 2)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 2002) + b"\xff\xda" * 1000 + b"\xff\xd9"
    plain = jpeg.examine(content)
    assert plain.passes == len(re.findall(b"\xff\xda", content)) > 5
    assert jpeg.examine(content[:second] + comment + content[second:]).passes == plain.passes


def test_segments_hidden_inside_a_jpegs_segments() -> None:
    cut = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x0e\0\x02\0\0\0\x20\0\0\0\xff"
    hidden = b"\xff\xe1" + struct.pack(">H", len(cut) + 2) + cut
    around = b"\xff\xf2" + struct.pack(">H", len(hidden) + 2) + hidden
    content = saved(corners(), "JPEG", quality=95)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_corners(content[:2] + around + content[2:], tolerance=30)
    assert caught == []


def test_a_progressive_cmyk_jpeg_may_be_as_large_as_any() -> None:
    image = Image.new("CMYK", (80, 60))
    decode(saved(image, "JPEG", progressive=True), max_pixels=80 * 60)


def test_jpeg_of_few_pixels_and_very_many_scans() -> None:
    content = saved(Image.new("L", (8, 8)), "JPEG", progressive=True)
    scan = content.rindex(b"\xff\xda")
    decode(content[:-2] + content[scan:-2] * 900 + content[-2:])
    with pytest.raises(ImageTooLarge, match="1,000 scans"):
        decode(content[:-2] + content[scan:-2] * 1000 + content[-2:])


def test_jpeg_of_very_many_segments() -> None:
    content = saved(corners(), "JPEG", quality=95)
    assert_corners(content[:2] + b"\xff\xfe\0\2" * 1000 + content[2:], tolerance=30)
    with pytest.raises(ImageTooLarge, match="segments"):
        decode(content[:2] + b"\xff\xfe\0\2" * MAX_PARTS + content[2:])
