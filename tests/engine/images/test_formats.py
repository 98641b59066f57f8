"""What the examination of headers bounds, format by format."""

from __future__ import annotations

import io
import re
import struct
import sys
import warnings
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, features
from pillow_heif.as_plugin import HeifImageFile, _save_heif

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage, UnsupportedImage
from django_visualsnoop.engine.images.decode import decode, find_format
from django_visualsnoop.engine.images.formats import MAX_PARTS, gif, heif, jpeg, tiff, webp
from tests.engine import pictures
from tests.engine.images.test_decode import assert_corners, corners
from tests.engine.pictures import saved


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
    place = 13 + gif._compute_palette_size(content[10])
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


#: Masks, the bits of a pixel, and the bits of each colour.
LAYOUTS: dict[str, tuple[tuple[int, ...], int]] = {
    "5-6-5": ((0xF800, 0x7E0, 0x1F), 16),
    "5-5-5": ((0x7C00, 0x3E0, 0x1F), 16),
    "4-4-4": ((0xF00, 0xF0, 0xF), 16),
    "4-4-4-4": ((0xF00, 0xF0, 0xF, 0xF000), 16),
    "5-5-5-1": ((0x7C00, 0x3E0, 0x1F, 0x8000), 16),
    "2-3-1": ((0x60, 0x1C, 0x1), 16),
    "blue first": ((0xFF0000, 0xFF00, 0xFF), 32),
    "red first": ((0xFF, 0xFF00, 0xFF0000), 32),
    "last byte unused": ((0xFF000000, 0xFF0000, 0xFF00), 32),
    "opacity last": ((0xFF0000, 0xFF00, 0xFF, 0xFF000000), 32),
    "opacity first": ((0xFF000000, 0xFF0000, 0xFF00, 0xFF), 32),
    "10-10-10": ((0x3FF00000, 0xFFC00, 0x3FF), 32),
    "11-11-10": ((0xFFE00000, 0x1FFC00, 0x3FF), 32),
}
HEADERS = [(40, 3), (40, 6), (52, 3), (56, 3), (108, 3), (124, 3)]


@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize(("header_size", "compression"), HEADERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bmp_of_bits(layout: str, header_size: int, compression: int, downwards: bool) -> None:
    masks, bits = LAYOUTS[layout]
    if len(masks) == 4 and (header_size, compression) in ((40, 3), (52, 3)):
        pytest.skip("there is no place for a fourth mask")
    if len(masks) == 3 and compression == 6:
        masks = (*masks, 0)
    tops = np.array([mask // (mask & -mask) if mask else 0 for mask in masks])
    # An odd width: rows of 16 bits a pixel are padded.
    exact = np.asarray(page().resize((75, 55)).convert("RGBA"))[..., : len(masks)]
    values = (exact.astype(int) * tops // 255).astype(np.uint16)
    content = pictures.bmp_of_bits(
        values,
        masks,
        bits,
        header_size=header_size,
        compression=compression,
        downwards=downwards,
    )
    pixels = decode(content).pixels.astype(int)
    assert np.abs(pixels - np.rint(values[..., :3].astype(int) * 255 / tops[:3])).max() <= 1
    try:  # what Pillow reads, it reads alike
        with Image.open(io.BytesIO(content)) as image:
            by_pillow = np.asarray(image.convert("RGB")).astype(int)
    except OSError:
        return
    assert np.abs(pixels - by_pillow).max() <= 1


def test_bmp_of_bits_is_read_as_by_opencv() -> None:
    for name in ("red first", "opacity last", "opacity first", "last byte unused"):
        masks, bits = LAYOUTS[name]
        exact = np.asarray(page().convert("RGBA"))[..., : len(masks)]
        content = pictures.bmp_of_bits(exact, masks, bits, header_size=124)
        expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert expected is not None
        assert (decode(content).pixels == expected[..., ::-1]).all()


def test_opacity_of_a_bmp() -> None:
    values = np.full((20, 30, 4), 60, np.uint8)
    values[..., 3] = 0
    masks, bits = LAYOUTS["opacity last"]
    # Wholly transparent: opacity was not meant.
    content = pictures.bmp_of_bits(values, masks, bits, header_size=124)
    assert (decode(content).pixels == 60).all()
    values[:, :25, 3] = 255
    content = pictures.bmp_of_bits(values, masks, bits, header_size=124)
    assert decode(content).pixels[0, [0, -1], 0].tolist() == [60, 255]


def test_hostile_bmp_of_bits() -> None:
    values = np.full((20, 30, 3), 7, np.uint8)
    masks, bits = LAYOUTS["5-6-5"]
    content = pictures.bmp_of_bits(values, masks, bits)
    decode(content)
    with pytest.raises(UndecodableImage, match="rows of the picture are missing"):
        decode(content[:-1])
    with pytest.raises(ImageTooLarge, match="30 x 20"):
        decode(content, max_pixels=599)
    for place, value in ((54, 0xF801), (54, 0x1F800), (28, 8), (28, 64), (18, 0), (10, 2**32 - 1)):
        form = "<H" if place == 28 else "<L"
        broken = bytearray(content)
        struct.pack_into(form, broken, place, value)
        with pytest.raises(UndecodableImage):
            decode(bytes(broken))
    for length in range(20, 70):
        with pytest.raises(UndecodableImage):
            decode(content[:length])


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


def page() -> Image.Image:
    """Return words, large ones, for faxes and all else."""
    image = Image.new("RGB", (300, 220), "white")
    draw = ImageDraw.Draw(image)
    draw.text((20, 60), "Invoice", fill=(120, 30, 30), font=ImageFont.load_default(60))
    draw.rectangle((240, 20, 290, 200), outline="navy", width=6)
    return image


def assert_read_as_by_pillow(content: bytes) -> None:
    """Compare what is left of a file by its examination with the whole of it, in pixels."""
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert("RGB"))
    assert (decode(content).pixels == expected).all()


COMPRESSIONS = (
    *("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"),
    *("jpeg", "tiff_jpeg", "tiff_ccitt", "group3", "group4", "webp"),
)
FAXES = ("tiff_ccitt", "group3", "group4")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_tiff_is_read_as_by_pillow(compression: str, mode: str) -> None:
    if (compression in FAXES) != (mode == "1"):
        pytest.skip("faxes have one bit, and these are compared as such")
    try:
        content = saved(page().convert(mode), "TIFF", compression=compression)
    except OSError as error:
        pytest.skip(f"this Pillow does not write it: {error}")
    assert_read_as_by_pillow(content)


@pytest.mark.parametrize("options", range(8))
@pytest.mark.parametrize("fill_order", [1, 2])
def test_faxes_of_group_3(options: int, fill_order: int) -> None:
    tags = {292: options & 5, 266: fill_order}
    image = page().convert("1").resize((500, 400))
    content = saved(image, "TIFF", compression="group3", tiffinfo=tags)
    assert_read_as_by_pillow(content)
    assert (decode(content).pixels[..., 0] == np.asarray(image) * 255).all()


@pytest.mark.parametrize("fill_order", [1, 2])
def test_faxes_of_group_4(fill_order: int) -> None:
    tags = {293: 0, 266: fill_order}
    assert_read_as_by_pillow(
        saved(page().convert("1"), "TIFF", compression="group4", tiffinfo=tags)
    )


BASE: list[pictures.Tag] = [(256, 4, [300]), (257, 4, [220]), (278, 4, [220])]
COLOURS: list[pictures.Tag] = [*BASE, (258, 3, [8, 8, 8]), (277, 3, [3])]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_in_planes_and_tiles(order: str, big: bool) -> None:
    pixels = np.asarray(page())
    planes = [pixels[..., channel].tobytes() for channel in range(3)]
    tags = [*COLOURS, (259, 3, [1]), (262, 3, [2]), (284, 3, [2])]
    assert (decode(pictures.tiff(tags, planes, order=order, big=big)).pixels == pixels).all()
    whole = np.zeros((256, 320, 3), dtype=np.uint8)
    whole[:220, :300] = pixels
    tiles = [
        zlib.compress(whole[top : top + 64, left : left + 64].tobytes())
        for top in range(0, 256, 64)
        for left in range(0, 320, 64)
    ]
    tags = [one for one in COLOURS if one[0] != 278]
    tags += [(259, 3, [8]), (262, 3, [2]), (322, 3, [64]), (323, 3, [64])]
    content = pictures.tiff(tags, tiles, order=order, tiled=True, big=big)
    assert (decode(content).pixels == pixels).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4, 16])
def test_bigtiff_is_read_as_by_opencv(order: str, kind: int) -> None:
    tags: list[pictures.Tag] = [(256, kind, [300]), (257, kind, [220]), (278, kind, [110])]
    tags += [(258, 3, [8, 8, 8]), (277, 3, [3]), (259, 3, [8]), (262, 3, [2])]
    # Values that a BigTIFF has inside its directory, and a TIFF outside.
    rows = np.asarray(page())
    strips = [zlib.compress(rows[:110].tobytes()), zlib.compress(rows[110:].tobytes())]
    content = pictures.tiff(tags, strips, order=order, big=True)
    assert find_format(content) == "TIFF"
    if order == "<":  # Pillow takes the other order for that of a TIFF
        assert_read_as_by_pillow(content)
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    assert (decode(content).pixels == expected[..., ::-1]).all()
    examined = tiff.examine(content)
    assert (examined.width, examined.height, examined.data[2:4].strip(b"\0")) == (300, 220, b"*")


def test_hostile_bigtiff() -> None:
    tags = [*COLOURS, (259, 3, [1]), (262, 3, [2]), (274, 3, [6])]
    content = pictures.tiff(tags, [np.asarray(page()).tobytes()], big=True)
    assert decode(content).pixels.shape == (300, 220, 3)
    for place, value in ((4, 4), (8, 2**63), (8, len(content)), (16, 2**63), (16, 70_000)):
        broken = bytearray(content)
        struct.pack_into("<H" if place == 4 else "<Q", broken, place, value)
        with pytest.raises(UndecodableImage):
            decode(bytes(broken))
    place = content.index(struct.pack("<HHQ", 273, 16, 1))
    for far in (2**32, 2**64 - 1):
        broken = bytearray(content)
        struct.pack_into("<Q", broken, place + 12, far)
        with pytest.raises(UndecodableImage, match="273"):
            decode(bytes(broken))
    broken = bytearray(content)
    struct.pack_into("<Q", broken, place + 4, 2**40)
    with pytest.raises(UndecodableImage, match="273"):
        decode(bytes(broken))
    long = pictures.tiff([*COLOURS, (259, 3, [1])], [b""] * (MAX_PARTS // 2 + 1), big=True)
    with pytest.raises(ImageTooLarge, match="at most 50,000"):
        decode(long)
    with pytest.raises(ImageTooLarge, match="300 x 220"):
        decode(content, max_pixels=65_999)
    for length in range(8, 300):
        with pytest.raises(UndecodableImage):
            decode(content[:length])


def test_tiff_with_predictors_and_more_channels() -> None:
    for predictor in (1, 2):
        content = saved(page(), "TIFF", compression="tiff_lzw", tiffinfo={317: predictor})
        assert_read_as_by_pillow(content)
    pixels = np.dstack([np.asarray(page()), np.full((220, 300), 255, dtype=np.uint8)])
    for extra in (0, 1, 2):
        tags = [*BASE, (258, 3, [8] * 4), (277, 3, [4]), (259, 3, [1]), (262, 3, [2])]
        tags.append((338, 3, [extra]))
        assert_read_as_by_pillow(pictures.tiff(tags, [pixels.tobytes()]))


def test_tiff_of_yc_with_coefficients_of_its_own() -> None:
    values = np.asarray(page().convert("YCbCr")).tobytes()
    coefficients = [(2126, 10_000), (7152, 10_000), (722, 10_000)]
    levels = [(0, 1), (255, 1), (128, 1), (255, 1), (128, 1), (255, 1)]
    tags = [*COLOURS, (259, 3, [8]), (262, 3, [6]), (530, 3, [1, 1])]
    tags += [(529, 5, coefficients), (532, 5, levels)]
    content = pictures.tiff(tags, [zlib.compress(values)])
    assert_read_as_by_pillow(content)
    assert b"".join(struct.pack("<LL", *one) for one in coefficients) in tiff.examine(content).data
    assert struct.pack("<HH", 529, 5) in tiff.examine(content).data[len(content) :]


def jpeg_parts() -> tuple[bytes, bytes, dict[int, list[bytes]]]:
    """Return a JPEG up to its scan, the scan's bytes, and its tables as old TIFFs name them."""
    content = saved(page(), "JPEG", quality=90, subsampling=0)
    scan = content.index(b"\xff\xda")
    (length,) = struct.unpack_from(">H", content, scan + 2)
    tables: dict[int, list[bytes]] = {519: [], 520: [], 521: []}
    position = 2
    while position < scan:
        marker = content[position + 1]
        (size,) = struct.unpack_from(">H", content, position + 2)
        body = content[position + 4 : position + 2 + size]
        while marker == 0xDB and body:
            tables[519].append(body[1:65])
            body = body[65:]
        while marker == 0xC4 and body:
            end = 17 + sum(body[1:17])
            tables[521 if body[0] >> 4 else 520].append(body[1:end])
            body = body[end:]
        position += 2 + size
    start = scan + 2 + length
    return content[:start], content[start:-2], tables


def test_tiff_of_the_old_kind_of_jpeg() -> None:
    header, scan, tables = jpeg_parts()
    tags = [*COLOURS, (259, 3, [6]), (262, 3, [6]), (512, 3, [1]), (530, 3, [1, 1])]
    split = pictures.tiff([*tags, (514, 4, [len(header)])], [scan], tables={513: [header]})
    assert_read_as_by_pillow(split)
    three = {tag: [found[0], found[-1], found[-1]] for tag, found in tables.items()}
    assert_read_as_by_pillow(pictures.tiff(tags, [scan], tables=three))


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
