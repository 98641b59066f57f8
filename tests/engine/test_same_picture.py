"""One picture in the ways that files hold it: as good as the same to each other."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.descriptors.describe import build_probes, describe
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.compare import compare
from tests.collections.contract import image

if TYPE_CHECKING:
    from pathlib import Path

#: A rank that hardly any other picture than the same reaches.
NEARLY_THE_SAME = 40


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def rank(one: bytes, other: bytes) -> int:
    found = compare(build_probes(decode(one).pixels), describe(decode(other).pixels))
    return calibration.score_to_rank(found.score)


@pytest.fixture(params=["drawn", "photo"])
def original(request: pytest.FixtureRequest) -> Image.Image:
    if request.param == "drawn":
        return Image.open(io.BytesIO(image(1))).convert("RGB")
    shared: Path = request.getfixturevalue("shared")
    path = sorted((shared / "photos").iterdir())[7]
    return Image.open(path).convert("RGB")


def sixteen_bits(picture: Image.Image) -> Image.Image:
    grey = np.asarray(picture.convert("L")).astype(np.uint16)
    return Image.fromarray(grey * 257)


def test_ways_to_hold_one_picture(original: Image.Image) -> None:
    transparent = original.copy()
    transparent.putalpha(255)
    versions = {
        "JPEG": saved(original, "JPEG", quality=85),
        "PNG": saved(original),
        "WebP": saved(original, "WEBP", quality=80),
        "CMYK": saved(original.convert("CMYK"), "JPEG", quality=90),
        "palette": saved(original.quantize(128)),
        "GIF": saved(original, "GIF"),
        "transparent": saved(transparent),
        "grey": saved(original.convert("L")),
        "16 bits": saved(sixteen_bits(original)),
    }
    for name, content in versions.items():
        for other, stored in versions.items():
            assert rank(content, stored) <= NEARLY_THE_SAME, (name, other)
        assert rank(content, content) == 0, name


def test_exif_orientations(shared: Path) -> None:
    files = [path.read_bytes() for path in sorted((shared / "exif_orientation").glob("*.jpg"))]
    assert len(files) == 9
    for content in files:
        assert rank(content, files[0]) <= 4
