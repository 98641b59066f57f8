"""The demo's photographs, and the edits that make copies of them."""

from __future__ import annotations

from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageEnhance, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable


class Print(NamedTuple):
    """A photograph that the shop sells."""

    stem: str
    name: str
    price: str


class Holding(NamedTuple):
    """A photograph in the archive."""

    stem: str
    title: str
    photographer: str
    taken_on: date | None


# All of them are in the scikit-image wheel, whose documentation gives their origin:
# CC0 or public domain.
PRINTS = [
    Print("coffee", "Espresso on a wooden table", "24.00"),
    Print("chelsea", "Chelsea the cat", "29.50"),
    Print("coins", "Coins from Pompeii", "35.00"),
    Print("brick", "Brick wall", "18.00"),
    Print("clock_motion", "Clock in motion", "22.00"),
]
HOLDINGS = [
    Holding("astronaut", "Eileen Collins", "NASA", None),
    Holding("rocket", "Falcon 9 on its launch pad", "SpaceX", None),
    Holding("hubble_deep_field", "Hubble eXtreme Deep Field", "NASA, ESA", date(2012, 9, 25)),
    Holding("camera", "Man with a camera", "Lav Varshney", None),
    Holding("ihc", "Tissue under the microscope", "CMMI", None),
    Holding("retina", "Retina", "Mikael Häggström", None),
]


def re_encoded(picture: Image.Image) -> bytes:
    return _jpeg(picture, quality=45)


def half_size(picture: Image.Image) -> bytes:
    return _jpeg(picture.resize((picture.width // 2, picture.height // 2)))


def cropped(picture: Image.Image) -> bytes:
    """Cut 4 % off each side."""
    return _jpeg(ImageOps.crop(picture, round(min(picture.size) * 0.04)))


def brighter(picture: Image.Image) -> bytes:
    return _jpeg(ImageEnhance.Brightness(picture).enhance(1.15))


def mirrored(picture: Image.Image) -> bytes:
    return _jpeg(ImageOps.mirror(picture))


EDITS: dict[str, Callable[[Image.Image], bytes]] = {
    "re-encoded": re_encoded,
    "half size": half_size,
    "cropped": cropped,
    "brighter": brighter,
    "mirrored": mirrored,
}


def _jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
