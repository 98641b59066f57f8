"""Plain edits of all of a picture make copies, of grey pictures, too."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageEnhance, ImageOps

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.descriptors.describe import (
    build_probes,
    build_stored_probes,
    describe,
)
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.compare import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor

PHOTOS = 24


def _crop(picture: Image.Image) -> Image.Image:
    across, down = picture.width // 25, picture.height // 25
    return picture.crop((across, down, picture.width - across, picture.height - down))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": _crop,
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.75),
    "less contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.7),
    "smaller": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "mirrored": ImageOps.mirror,
    "grey": ImageOps.grayscale,
    "re-encoded": lambda picture: picture,
}


def _write(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def described(shared: Path) -> dict[str, tuple[Image.Image, Descriptor]]:
    """Photographs, every second of them grey, and what is stored of each."""
    found = {}
    paths = sorted((shared / "photos").glob("*.jpg"))
    for number, path in enumerate(paths[:: len(paths) // PHOTOS][:PHOTOS]):
        with Image.open(path) as opened:
            opened.thumbnail((640, 640))
            picture = opened.convert("L" if number % 2 else "RGB")
        found[path.name] = picture, describe(decode(_write(picture)).pixels)
    return found


@pytest.mark.parametrize("name", EDITS)
def test_plain_edits_are_copies(
    described: dict[str, tuple[Image.Image, Descriptor]], name: str
) -> None:
    missed = []
    for photo, (picture, stored) in described.items():
        edited = decode(_write(EDITS[name](picture))).pixels
        # As a search with a file compares them, and as one by id does.
        found = [
            compare(probes, stored).relation.name
            for probes in (build_probes(edited), build_stored_probes(describe(edited)))
        ]
        if found != [COPY, COPY]:
            missed.append((photo, found))
    assert len(missed) <= 2, missed
