"""The rank 0 is that of pictures between which the eye sees no difference."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw, ImageEnhance

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.compare import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHOTOS = 6


def encode(picture: Image.Image, file_format: str = "JPEG", **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, file_format, **options)
    return written.getvalue()


def crop(picture: Image.Image) -> bytes:
    width, height = picture.size
    return encode(picture.crop((width // 25, height // 25, width, height)))


def caption(picture: Image.Image) -> bytes:
    written = picture.copy()
    width, height = written.size
    place = (width // 10, height * 3 // 4)
    ImageDraw.Draw(written).text(place, "HELLO WORLD", fill="white", font_size=height // 10)
    return encode(written)


IDENTICAL: dict[str, Callable[[Image.Image], bytes]] = {
    "as it is": encode,
    "PNG": lambda picture: encode(picture, "PNG"),
    "compressed": lambda picture: encode(picture, quality=40),
    "half the size": lambda picture: encode(picture.reduce(2)),
}
DIFFERENT: dict[str, Callable[[Image.Image], bytes]] = {
    "cropped": crop,
    "captioned": caption,
    "mirrored": lambda picture: encode(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "turned": lambda picture: encode(picture.transpose(Image.Transpose.ROTATE_180)),
    "brighter": lambda picture: encode(ImageEnhance.Brightness(picture).enhance(1.2)),
}


@pytest.mark.parametrize("edit", [*IDENTICAL, *DIFFERENT])
def test_only_what_looks_the_same_has_rank_0(shared: Path, edit: str) -> None:
    for path in sorted((shared / "photos").iterdir())[:PHOTOS]:
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        photo.thumbnail((640, 640))
        edited = {**IDENTICAL, **DIFFERENT}[edit](photo)
        stored = describe.describe(decode(encode(photo, quality=92)).pixels)
        found = compare(describe.build_probes(decode(edited).pixels), stored)
        assert found.relation.name == "copy" or edit == "captioned", path.name
        assert (found.relation.rank == 0) == (edit in IDENTICAL), path.name
