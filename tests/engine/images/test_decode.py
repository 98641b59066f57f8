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
from PIL import Image, ImageFile, features

from django_visualsnoop.engine.exceptions import (
    DecodeError,
    EmptyImage,
    ImageTooLarge,
    UndecodableImage,
    UnsupportedImage,
)
from django_visualsnoop.engine.images.decode import WORK_SIDE, decode
from tests.engine.images.corners import RED, WHITE, assert_corners, corners, quarters
from tests.engine.pictures import saved

if TYPE_CHECKING:
    from pathlib import Path


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


def test_lab_is_unsupported() -> None:
    lab = Image.frombytes("LAB", (10, 10), bytes(300))
    with pytest.raises(UnsupportedImage, match="'LAB'"):
        decode(saved(lab, "TIFF"))


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


def test_large_wallpapers_are_read_by_default() -> None:
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (("PNG", {}), ("JPEG", {"progressive": True}))
    for kind, options in kinds:
        picture = decode(saved(Image.new("L", (12_000, 6_000)), kind, **options))
        assert (picture.width, picture.height) == (12_000, 6_000)
    with pytest.raises(ImageTooLarge, match="at most 75,000,000"):
        decode(png(12_500, 6_001, b""))


def test_the_process_may_be_stricter_or_laxer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)  # warns from here to twice as many
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
        assert decode(saved(corners(), kind)).pixels.shape == (60, 80, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageTooLarge):
        decode(png(20_000, 20_000, b""))
    monkeypatch.undo()


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
