"""What the examination of a TIFF bounds and keeps."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage, UnsupportedImage
from django_visualsnoop.engine.images.decode import decode, find_format
from django_visualsnoop.engine.images.formats import MAX_PARTS, tiff
from tests.engine import pictures
from tests.engine.images.corners import corners
from tests.engine.images.pages import OLD_PILLOW, page
from tests.engine.pictures import saved

pytestmark = pytest.mark.skipif(
    OLD_PILLOW, reason="before version 13, Pillow crashes if it has to write some TIFFs"
)


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
    with pytest.raises(ImageTooLarge, match="are allowed"):
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


def test_more_channels_than_pillow_reads() -> None:
    """Pillow logs an error for each."""
    tags = [*BASE, (258, 3, [8] * 7), (277, 3, [7]), (259, 3, [1]), (262, 3, [2])]
    with pytest.raises(UnsupportedImage, match="7 channels"):
        decode(pictures.tiff(tags, [bytes(300 * 220 * 7)]))


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
