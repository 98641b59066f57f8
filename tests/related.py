"""Real pictures that are related to one photograph in every way."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from pathlib import Path


def related_pictures(shared: Path) -> dict[str, bytes]:
    """Return JPEGs by the relation to the first one; that of ``original`` is its own."""
    with Image.open(sorted((shared / "photos").iterdir())[4]) as opened:
        photo = opened.convert("RGB")
    width, height = photo.size
    covered = photo.copy()
    box = (width // 3, height // 3, width * 2 // 3, height * 2 // 3)
    ImageDraw.Draw(covered).ellipse(box, "red")
    return {
        "original": _encode(photo, second=1),
        "copy": _encode(photo.resize((width // 2, height // 2))),
        "variant": _encode(covered),
        "shot": _encode(photo, second=2),
    }


def _encode(picture: Image.Image, second: int | None = None) -> bytes:
    """Return a JPEG, as a camera took it at this second if one is given."""
    exif = Image.Exif()
    if second is not None:
        exif[0x010F], exif[0x0110] = "Example", "Camera 1"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:06 07:08:{second:02}"
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=85, exif=exif)
    return written.getvalue()
