"""Values of more than 8 bits."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.images.decode import decode
from tests.engine.images.corners import quarters
from tests.engine.pictures import png_of_16_bits, saved, tiff


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
