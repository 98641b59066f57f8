"""What the examination of headers bounds, format by format."""

from __future__ import annotations

import re
import struct
import warnings
import zlib

import pytest
from PIL import Image, features

from django_visualsnoop.engine.decode import decode
from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.formats import MAX_PARTS, gif, jpeg, tiff, webp
from tests.engine.test_decode import assert_corners, corners, saved


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


@pytest.mark.parametrize("name", [b"IDAT", b"tEXt"])
def test_png_of_very_many_chunks(name: bytes) -> None:
    content = saved(corners(), "PNG")
    chunk = struct.pack(">L", 0) + name + struct.pack(">L", zlib.crc32(name))
    place = content.index(b"IDAT") - 4
    assert_corners(content[:place] + chunk * 1000 + content[place:])
    with pytest.raises(ImageTooLarge, match="chunks"):
        decode(content[:place] + chunk * MAX_PARTS + content[place:])


def test_webp_of_very_many_chunks() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    content = saved(corners(), "WEBP", exif=exif)

    def followed_by(junk: bytes) -> bytes:
        return content[:4] + struct.pack("<L", len(content) - 8 + len(junk)) + content[8:] + junk

    assert webp.examine(followed_by(b"JUNK\0\0\0\0" * 1000)).orientation == 3
    with pytest.raises(ImageTooLarge, match="chunks"):
        decode(followed_by(b"JUNK\0\0\0\0" * MAX_PARTS))


def test_gif_of_very_many_blocks() -> None:
    content = saved(corners(), "GIF")
    place = 13 + gif._palette_size(content[10])
    before, after = content[:place], content[place:]
    assert_corners(before + b"\0" * 5_000_000 + b"\x21\xfe\0" * 1000 + after)
    with pytest.raises(ImageTooLarge, match="before its picture"):
        decode(before + b"\x21\xfe\0" * MAX_PARTS + after)
    with pytest.raises(ImageTooLarge, match="in a row"):
        decode(before + b"\x21\xfe" + b"\1\1" * (10 * MAX_PARTS) + b"\0" + after)


def test_a_gifs_control_block_is_cut_to_what_it_says() -> None:
    content = saved(Image.new("P", (8, 8), 1), "GIF", transparency=1)
    place = content.index(b"\x21\xf9\x04")
    longer = content[: place + 7] + b"\1\1" * 1000 + content[place + 7 :]
    assert gif.examine(longer).data == gif.examine(content).data


def bmp_of_runs(width: int, height: int, runs: bytes) -> bytes:
    information = struct.pack("<LllHHLLllLL", 40, width, height, 1, 8, 1, len(runs), 0, 0, 2, 0)
    palette = bytes([30, 30, 220, 0, 0, 0, 0, 0])
    return struct.pack("<2sLHHL", b"BM", 62 + len(runs), 0, 0, 62) + information + palette + runs


def test_bmp_of_runs() -> None:
    assert decode(bmp_of_runs(200, 2, b"\xc8\0\0\0" * 2)).pixels[0, 0].tolist() == [220, 30, 30]
    for hostile in (
        bmp_of_runs(2_000_001, 1, b"\1\1\0\0\0\1"),  # one pixel, and the rest of a row
        bmp_of_runs(200, 2, b"\0\0" * 6000),  # runs of nothing
    ):
        with pytest.raises(ImageTooLarge, match="runs"):
            decode(hostile)


def tiff_of(tags: list[tuple[int, int, int, int]], content: bytes = b"") -> bytes:
    entries = b"".join(struct.pack("<HHLL", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + content


SIZE = [(256, 4, 1, 1000), (257, 4, 1, 49_000)]


@pytest.mark.parametrize(
    "tags",
    [
        [*SIZE, (273, 4, MAX_PARTS, 8), (279, 4, 1, 8)],
        [(256, 4, 1, 1), (257, 4, 1, 50_000_000), (273, 4, 1, 8), (278, 4, 1, 1)],
        [*SIZE, (322, 4, 1, 1), (323, 4, 1, 1), (324, 4, 1, 8)],
        [*SIZE, (258, 3, 200_000, 8)],
    ],
)
def test_tiff_of_very_many_strips_or_values(tags: list[tuple[int, int, int, int]]) -> None:
    with pytest.raises(ImageTooLarge, match="are read"):
        decode(tiff_of(tags, bytes(500_000)))
    assert tiff.examine(tiff_of(SIZE)).width == 1000


def test_tiff_of_one_tag_twice() -> None:
    with pytest.raises(UndecodableImage, match="273 twice"):
        decode(tiff_of([*SIZE, (273, 4, 1, 8), (273, 4, 1, 8)]))


def test_tiff_whose_values_overlap() -> None:
    tags = [*SIZE, (273, 4, 60, 100), (279, 4, 60, 100), (320, 3, 120, 100)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(UndecodableImage, match="279 is broken"):
            decode(tiff_of(tags, bytes(400)))
    assert caught == []


def test_tiff_of_progressive_jpegs() -> None:
    content = saved(corners(), "TIFF", compression="jpeg")
    assert tiff.examine(content).passes == 1
    assert tiff.examine(content.replace(b"\xff\xc0", b"\xff\xc2")).passes == 100


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
