from __future__ import annotations

import random
import struct
import threading
import warnings
import zlib
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFile, ImageFont, features

from django_visualsnoop.engine.exceptions import (
    DecodeError,
    EmptyImage,
    ImageTooLarge,
    UndecodableImage,
    UnsupportedImage,
)
from django_visualsnoop.engine.images import animation
from django_visualsnoop.engine.images.decode import WORK_SIDE, decode
from tests.engine.pictures import BLACK as BLACK_INK
from tests.engine.pictures import CLEAR, animated, logo, png_of_16_bits, saved, tiff
from tests.engine.pictures import WHITE as WHITE_INK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (40, 40, 210), (255, 255, 255)


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """Fail if a test leaves anything process-wide changed."""
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    yield
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    assert after == before


def corners(width: int = 80, height: int = 60) -> Image.Image:
    """Draw red, green, blue and white quarters: no turn or mirroring looks the same."""
    image = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill=RED)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), fill=GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), fill=BLUE)
    return image


def quarters(content: bytes) -> list[tuple[int, ...]]:
    pixels = decode(content).pixels
    height, width, _ = pixels.shape
    return [
        tuple(pixels[row, column].tolist())
        for row in (height // 4, height * 3 // 4)
        for column in (width // 4, width * 3 // 4)
    ]


def assert_corners(content: bytes, tolerance: int = 12) -> None:
    for found, expected in zip(quarters(content), [RED, GREEN, BLUE, WHITE], strict=True):
        assert np.abs(np.subtract(found, expected)).max() <= tolerance, (found, expected)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 95}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        pytest.param(
            "AVIF",
            {"quality": 95},
            marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF"),
        ),
    ],
)
def test_formats(kind: str, options: dict[str, Any]) -> None:
    content = saved(corners(), kind, **options)
    picture = decode(content)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape == (60, 80, 3)
    assert (picture.width, picture.height) == (80, 60)
    assert_corners(content, tolerance=30)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_cut_off_files_are_refused(kind: str) -> None:
    content = saved(corners(), kind)
    for length in (len(content) // 3, len(content) // 2, len(content) * 9 // 10):
        with pytest.raises(UndecodableImage):
            decode(content[:length])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_any_damage_ends_in_one_kind_of_error(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    content = saved(corners(), kind)
    dice = random.Random(kind)
    refusals: list[DecodeError] = []
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(dice.randrange(1, 12)):
            damaged[dice.randrange(min(len(content), 400))] = dice.randrange(256)
        try:
            decode(bytes(damaged), max_pixels=1_000_000)
        except DecodeError as error:
            refusals.append(error)
    assert refusals
    assert all(str(error).endswith(".") for error in refusals)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = corners()
    if orientation != 1:
        image = image.transpose(turned[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    picture = decode(content)
    assert (picture.width, picture.height) == (80, 60)
    assert_corners(content, tolerance=30)


def test_orientation_of_real_photos(shared: Path) -> None:
    upright = decode((shared / "exif_orientation" / "Landscape_1.jpg").read_bytes()).pixels
    for number in range(9):
        path = shared / "exif_orientation" / f"Landscape_{number}.jpg"
        pixels = decode(path.read_bytes()).pixels
        assert pixels.shape == upright.shape, path.name
        assert np.abs(pixels.astype(int) - upright.astype(int)).mean() < 4, path.name


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"junk"]
)
def test_broken_exif_stops_nothing(exif: bytes) -> None:
    assert_corners(saved(corners(), "JPEG", quality=95, exif=exif), tolerance=30)


def test_transparency_shows_white() -> None:
    shape = corners().convert("RGBA")
    hole = Image.new("L", shape.size, 255)
    ImageDraw.Draw(hole).rectangle((0, 0, 39, 29), fill=0)
    shape.putalpha(hole)
    grey = shape.convert("LA")
    palette = shape.quantize(16)
    for image in (shape, grey, palette):
        assert quarters(saved(image, "PNG"))[0] == WHITE
    half = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
    assert np.abs(np.subtract(quarters(saved(half, "PNG"))[0], (255, 127, 127))).max() <= 1
    keyed = Image.new("P", (40, 40), 1)
    keyed.putpalette([10, 20, 30, 200, 10, 10])
    assert quarters(saved(keyed, "GIF", transparency=1))[0] == WHITE
    assert quarters(saved(keyed, "PNG", transparency=1))[0] == WHITE
    assert quarters(saved(keyed, "GIF"))[0] == (200, 10, 10)


def test_transparency_of_a_large_picture() -> None:
    large = Image.new("RGBA", (1700, 1300), (0, 0, 0, 0))
    assert quarters(saved(large, "PNG")) == [WHITE] * 4


def test_a_large_jpeg_shrinks_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(corners(4248, 2832), "JPEG")  # an eighth is wide enough, and less high
    reduced = mock.Mock(side_effect=AssertionError("it was read larger than needed"))
    monkeypatch.setattr(Image.Image, "reduce", reduced)
    picture = decode(content)
    assert picture.pixels.shape == (341, WORK_SIDE, 3)
    assert_corners(content)


def test_sixteen_bits() -> None:
    values = np.full((50, 50), 0x8040, dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        assert quarters(saved(Image.fromarray(values), kind))[0] == (128, 128, 128)


def test_sixteen_bit_colours() -> None:
    row = b"\0" + struct.pack(">HHH", 0xC000, 0x4000, 0x0100) * 4
    assert quarters(png(4, 4, row * 4, depth=16))[0] == (0xC0, 0x40, 0x01)


def test_one_bit_grey_and_cmyk() -> None:
    bits = Image.new("1", (40, 40), 1)
    assert quarters(saved(bits, "PNG")) == [WHITE] * 4
    assert quarters(saved(bits, "TIFF", compression="group4")) == [WHITE] * 4
    assert quarters(saved(Image.new("L", (40, 40), 77), "PNG"))[0] == (77, 77, 77)
    cmyk = Image.new("CMYK", (40, 40), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        assert np.abs(np.subtract(quarters(saved(cmyk, kind))[0], (255, 0, 0))).max() <= 6


@pytest.mark.parametrize("ink", [WHITE_INK, BLACK_INK])
def test_logos_on_transparent_ground_show(ink: tuple[int, ...]) -> None:
    for words in ("ACME", "Globex"):
        content = saved(logo(words, ink), "PNG")
        pixels = decode(content).pixels
        assert pixels.max() == 255
        assert pixels.min() == 0
        smaller = decode(saved(logo(words, ink).resize((200, 100)), "WEBP")).pixels
        assert abs(int(smaller[0, 0, 0]) - int(pixels[0, 0, 0])) < 3


def test_a_logo_half_white_and_half_black_shows_whole() -> None:
    both = logo("White", WHITE_INK, size=(400, 400))
    ImageDraw.Draw(both).text((30, 260), "Black", fill=BLACK_INK, font=ImageFont.load_default(70))
    pixels = decode(saved(both, "PNG")).pixels
    assert pixels[0, 0].tolist() == [128] * 3
    assert {pixels[:200].max(), pixels[200:].min()} == {255, 0}


@pytest.mark.parametrize("colour", ["white", (90, 120, 160)])
def test_a_few_transparent_pixels_change_no_picture(colour: object) -> None:
    page = Image.new("RGB", (300, 200), colour)  # type: ignore[arg-type]
    draw = ImageDraw.Draw(page)
    for line in range(5):
        draw.text((10, 10 + 35 * line), "words on a page", "black", ImageFont.load_default(30))
    rounded = page.copy()
    rounded.putalpha(255)
    for x, y in ((0, 0), (290, 0), (0, 190), (290, 190)):
        rounded.paste(CLEAR, (x, y, x + 10, y + 10))
    pixels = decode(saved(rounded, "PNG")).pixels
    assert quarters(saved(rounded, "PNG")) == quarters(saved(page, "PNG"))
    assert pixels[2, 2].tolist() == [255] * 3


def test_what_is_wholly_transparent_shows_nothing() -> None:
    hidden = corners().convert("RGBA")
    hidden.putalpha(0)
    assert quarters(saved(hidden, "PNG")) == [WHITE] * 4


def ramp(top: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Return grey values from black to a largest one."""
    return np.tile(np.linspace(0, top, 120).astype(np.uint16), (80, 1))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_values_of_fewer_bits_in_sixteen(bits: int, kind: str) -> None:
    expected = ramp(255).astype(int)
    pixels = decode(saved(Image.fromarray(ramp(2**bits - 1)), kind)).pixels
    assert np.abs(pixels[..., 0] - expected).max() <= 1


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_colours_of_fewer_bits_in_sixteen(bits: int, channels: int) -> None:
    colours = {2: 1, 4: 3}.get(channels, channels)
    values = np.repeat(ramp(2**bits - 1)[..., None], channels, axis=2)
    values[..., colours:] = 65535
    pixels = decode(png_of_16_bits(values)).pixels
    assert np.abs(pixels[..., 1] - ramp(255).astype(int)).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
def test_tiff_colours_of_twelve_bits_in_sixteen(order: str, compression: int) -> None:
    values = np.repeat(ramp(4095)[..., None], 3, axis=2).astype(order + "u2").tobytes()
    strip = values if compression == 1 else zlib.compress(values)
    tags = [(256, 4, [120]), (257, 4, [80]), (258, 3, [16] * 3), (259, 3, [compression])]
    tags += [(262, 3, [2]), (277, 3, [3]), (278, 4, [80])]
    pixels = decode(tiff(tags, [strip], order=order)).pixels
    assert np.abs(pixels[..., 2] - ramp(255).astype(int)).max() <= 1


def test_a_hot_pixel_does_not_darken_the_picture() -> None:
    values = ramp(4095)
    values[40, 60] = 65535
    pixels = decode(saved(Image.fromarray(values), "PNG")).pixels
    assert pixels[10, -1, 0] > 250
    colours = np.repeat(values[..., None], 3, axis=2)
    assert decode(png_of_16_bits(colours)).pixels[10, -1, 0] > 250


def test_a_narrow_range_is_stretched_and_a_constant_one_is_not() -> None:
    narrow = (30_000 + ramp(1000)).astype(np.uint16)
    assert np.ptp(decode(saved(Image.fromarray(narrow), "PNG")).pixels) > 250
    constant = np.full((50, 50), 30_000, dtype=np.uint16)
    assert np.ptp(decode(saved(Image.fromarray(constant), "PNG")).pixels) == 0


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_32_bits(mode: str) -> None:
    bytewise = Image.fromarray(ramp(255).astype(np.uint8))
    pixels = decode(saved(bytewise.convert(mode), "TIFF")).pixels
    assert (pixels[..., 0] == ramp(255)).all()
    assert quarters(saved(Image.new(mode, (10, 10)), "TIFF"))[0] == (0, 0, 0)
    signed = ramp(255).astype(np.float32) - 100
    pixels = decode(saved(Image.fromarray(signed).convert(mode), "TIFF")).pixels
    assert np.ptp(pixels) >= 253


def test_floating_point_from_0_to_1_and_what_is_no_number() -> None:
    values = (ramp(255) / 255).astype(np.float32)
    values[5, 5], values[6, 6] = np.nan, np.inf
    values.view(np.uint32)[7, 7] = 0x7F800001  # a signalling NaN
    pixels = decode(saved(Image.fromarray(values), "TIFF")).pixels
    assert np.abs(pixels[10:, :, 0] - ramp(255)[10:].astype(int)).max() <= 1


def test_lab_is_unsupported() -> None:
    lab = Image.frombytes("LAB", (10, 10), bytes(300))
    with pytest.raises(UnsupportedImage, match="'LAB'"):
        decode(saved(lab, "TIFF"))


ANIMATED = [
    "GIF",
    "PNG",
    "WEBP",
    pytest.param("AVIF", marks=pytest.mark.skipif(not features.check("avif"), reason="no AVIF")),
]


@pytest.mark.parametrize("kind", ANIMATED)
@pytest.mark.parametrize("blank", [1, 7])
def test_an_animation_that_begins_blank(kind: str, blank: int) -> None:
    white = Image.new("RGB", (80, 60), "white")
    faint = [Image.blend(white, corners(), 0.01 * number) for number in range(blank)]
    content = animated([*faint, corners(), Image.new("RGB", (80, 60), "black")], kind)
    assert_corners(content, tolerance=60)
    assert np.ptp(decode(animated([white, *faint[:1], white], kind)).pixels) < 10


def test_frames_are_drawn_over_those_before() -> None:
    white = Image.new("RGBA", (80, 60), "white")
    part = Image.new("RGBA", (80, 60), CLEAR)
    part.paste(corners().convert("RGBA").crop((0, 0, 40, 60)), (0, 0))
    for options in ({"disposal": 0}, {"disposal": 1}):
        content = animated([white, part], "PNG", blend=1, **options)
        found = quarters(content)
        hidden = (255, 255, 255)
        assert found[1] == hidden
        assert np.abs(np.subtract(found[0], RED)).max() <= 12


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_damage_behind_a_frame_that_shows_something(kind: str) -> None:
    white = Image.new("RGB", (80, 60), "white")
    content = animated([white, corners(), white], kind)
    if kind == "GIF":
        assert_corners(content[:-20], tolerance=40)
    with pytest.raises(UndecodableImage):
        decode(saved(white, kind)[:-14])


def test_frames_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    white = Image.new("RGB", (80, 60), "white")
    grey = Image.new("RGB", (80, 60), (250, 250, 250))
    frames = [white, grey] * 10
    content = animated([*frames, corners()], "GIF")
    assert_corners(content, tolerance=40)
    assert np.ptp(decode(content, max_pixels=80 * 60 * 20).pixels) < 10
    monkeypatch.setattr(animation, "MAX_FRAMES", 20)
    assert np.ptp(decode(content).pixels) < 10


def test_first_frame_and_first_page_count() -> None:
    frames = [corners(), Image.new("RGB", (80, 60), "black")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF", "MPO"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        assert_corners(content, tolerance=40)


def test_large_pictures_come_back_small() -> None:
    for kind in ("JPEG", "PNG"):
        content = saved(corners(2000, 1500), kind)
        picture = decode(content)
        assert picture.pixels.shape == (384, WORK_SIDE, 3)
        assert (picture.width, picture.height) == (2000, 1500)
        assert_corners(content)


@pytest.mark.parametrize("width", [800, 2000])
@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16"])
def test_every_pixel_of_a_large_picture_counts(mode: str, width: int) -> None:
    noise = np.random.default_rng(1).integers(0, 2, (width * 3 // 4, width)).astype(np.uint8) * 255
    if mode == "I;16":
        image = Image.fromarray(noise.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(noise).convert(mode)
    # Of black and white at random, the mean of n x n pixels deviates by 127.5 / n: whole ones are
    # taken together first, and then neighbours, which takes another third.
    assert decode(saved(image, "PNG")).pixels.std() < 0.8 * 127.5 / (width // WORK_SIDE)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2000)])
def test_thin_pictures(size: tuple[int, int]) -> None:
    pixels = decode(saved(Image.new("RGB", size, RED), "PNG")).pixels
    assert max(pixels.shape) <= WORK_SIDE
    assert (pixels == RED).all()


def test_empty_bytes() -> None:
    with pytest.raises(EmptyImage, match="0 bytes") as caught:
        decode(b"")
    assert caught.value.reason == "empty"


@pytest.mark.parametrize("content", [b"no picture at all", b"%PDF-1.7", b"\0" * 100, b"<svg/>"])
def test_other_files_are_unsupported(content: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="JPEG, PNG") as caught:
        decode(content)
    assert caught.value.reason == "unsupported"


def test_formats_off_the_list_are_unsupported() -> None:
    for kind in ("PPM", "TGA", "ICO", "JPEG2000"):
        with pytest.raises(UnsupportedImage):
            decode(saved(corners(), kind))


def test_too_many_bytes() -> None:
    content = saved(corners(), "PNG")
    with pytest.raises(ImageTooLarge, match=f"at most {len(content) - 1}") as caught:
        decode(content, max_bytes=len(content) - 1)
    assert caught.value.reason == "too_large"
    decode(content, max_bytes=len(content))


def test_bombs_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        pytest.fail("Pillow was asked to decode it")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    bomb = png(20_000, 20_000, b"\0" * 1000)
    with pytest.raises(ImageTooLarge, match="20000 x 20000"):
        decode(bomb)
    for kind in ("GIF", "WEBP", "BMP", "TIFF"):
        with pytest.raises(ImageTooLarge, match="80 x 60"):
            decode(saved(corners(), kind), max_pixels=4799)


def test_gif_bomb_in_the_frame() -> None:
    content = bytearray(saved(Image.new("P", (4, 4)), "GIF"))
    place = content.index(b"\x2c")
    struct.pack_into("<HH", content, place + 5, 60_000, 60_000)
    with pytest.raises(ImageTooLarge, match="60000 x 60000"):
        decode(bytes(content))


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


def test_the_process_may_be_stricter_or_laxer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)  # warns from here to twice as many
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
        assert decode(saved(corners(), kind)).pixels.shape == (60, 80, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageTooLarge):
        decode(png(20_000, 20_000, b""))
    monkeypatch.undo()


def test_metadata_that_pillow_warns_of() -> None:
    apng = saved(corners(), "PNG", save_all=True, append_images=[corners()])
    cut_tag = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x32\x01\x02\0\xff\xff\0\0\xff\0\0\0"
    for content in (
        apng.replace(b"acTL\0\0\0\x02", b"acTL\0\0\0\0"),
        saved(corners(), "JPEG", quality=95, exif=cut_tag),
    ):
        assert_corners(content, tolerance=30)


@pytest.mark.parametrize("action", ["error", "always", "ignore"])
def test_hostile_files(shared: Path, action: Any) -> None:
    outcomes: dict[str, object] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action)
        for path in sorted((shared / "hostile_images").iterdir()):
            try:
                outcomes[path.name] = decode(path.read_bytes()).pixels.shape
            except DecodeError as error:
                outcomes[path.name] = error.reason
    assert caught == []
    assert len(outcomes) > 30
    for name, outcome in outcomes.items():
        if name.endswith((".sgi", ".tga", ".ico", ".j2k", ".dds", ".blp", ".fli")):
            assert outcome == "unsupported", name
        elif name.startswith(("crash", "truncated_image", "broken_data", "decompression")):
            assert outcome == "undecodable", name
    assert outcomes["hopper_bad_exif.jpg"] == (500, 500, 3)
    assert outcomes["broken_exif_dpi.jpg"] == (100, 100, 3)


def test_many_threads_at_once() -> None:
    contents = [saved(corners(), kind) for kind in ("JPEG", "PNG", "TIFF", "WEBP")] * 4
    shapes: list[tuple[int, ...]] = []
    threads = [
        threading.Thread(target=lambda one=content: shapes.append(decode(one).pixels.shape))
        for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shapes == [(60, 80, 3)] * len(contents)


def png(width: int, height: int, rows: bytes, depth: int = 8) -> bytes:
    """Write a PNG by hand, for sizes and depths that Pillow does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))
        )

    header = struct.pack(">LLBBBBB", width, height, depth, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
