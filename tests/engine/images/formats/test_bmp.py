"""What the examination of a BMP bounds, and colours in bits."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage
from django_visualsnoop.engine.images.decode import decode
from tests.engine import pictures
from tests.engine.images.pages import page


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
        with pytest.raises(ImageTooLarge, match="run-length"):
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
