"""The orientation in EXIF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.images.decode import decode
from tests.engine.images.corners import assert_corners, corners
from tests.engine.pictures import saved

if TYPE_CHECKING:
    from pathlib import Path


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


def test_metadata_that_pillow_warns_of() -> None:
    apng = saved(corners(), "PNG", save_all=True, append_images=[corners()])
    cut_tag = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x32\x01\x02\0\xff\xff\0\0\xff\0\0\0"
    for content in (
        apng.replace(b"acTL\0\0\0\x02", b"acTL\0\0\0\0"),
        saved(corners(), "JPEG", quality=95, exif=cut_tag),
    ):
        assert_corners(content, tolerance=30)
