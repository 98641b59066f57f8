"""Thumbnails: their size, and bytes that are not one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.descriptors.thumbnail import (
    THUMBNAIL_SIDE,
    Thumbnail,
    encode,
    is_thumbnail,
)
from tests.engine.descriptors.scenes import pixels as scene


def test_a_thumbnail_is_small_and_shows_the_picture() -> None:
    pixels = scene(1)
    content = encode(pixels)
    assert len(content) < 3500
    decoded, made = Thumbnail(content).pixels, Thumbnail(pixels).pixels
    assert decoded is not None
    assert made is not None
    assert max(decoded.shape) == THUMBNAIL_SIDE
    assert (decoded == made).all()
    assert np.abs(decoded[::2, ::2].astype(int).mean() - pixels.mean()) < 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (128, 128), (40, 30)])
def test_every_shape_has_a_thumbnail(shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 99, dtype=np.uint8)
    decoded = Thumbnail(encode(pixels)).pixels
    assert decoded is not None
    factor = min(1.0, THUMBNAIL_SIDE / max(shape))
    assert decoded.shape == (*(max(1, round(side * factor)) for side in shape), 3)


def test_noise_takes_little_more_space() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    assert len(encode(noise)) < 4000


def test_the_content_is_the_same_whether_made_or_stored() -> None:
    made = Thumbnail(scene(2))
    assert made.content == encode(scene(2))
    assert Thumbnail(made.content).content == made.content


def _write(kind: str, size: tuple[int, int]) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "red").save(written, kind)
    return written.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", encode(scene(1))[:200], _write("PNG", (8, 8)), _write("WEBP", (4000, 8))],
    ids=["empty", "start", "cut", "another format", "too wide"],
)
def test_other_bytes_have_no_pixels(content: bytes) -> None:
    assert Thumbnail(content).pixels is None
    assert not is_thumbnail(content)
