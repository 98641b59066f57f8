"""What is said of copies, of drawn pictures and of photographs."""

from __future__ import annotations

import random
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from django_visualsnoop.common.edits import Box
from django_visualsnoop.engine.descriptors.describe import describe
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.affine import Subject
from django_visualsnoop.engine.matching.edits import NO_EDITS, describe_edits
from django_visualsnoop.engine.matching.overlay import find_full_features
from django_visualsnoop.engine.matching.placement import Size
from tests.engine.flavours import encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_visualsnoop.common.edits import Edits

    Edit = Callable[[Image.Image], Image.Image]

SAID = ("mirrored", "turn", "is_cropped", "is_framed", "extends", "tone", "is_captioned")


def draw(seed: int = 1) -> Image.Image:
    dice = random.Random(seed)
    picture = Image.new("RGB", (480, 360), "#8090a0")
    drawing = ImageDraw.Draw(picture)
    for _ in range(160):
        left, top = dice.randint(-40, 470), dice.randint(-40, 350)
        box = (left, top, left + dice.randint(10, 80), top + dice.randint(10, 80))
        colour = tuple(dice.randint(20, 230) for _ in range(3))
        (drawing.ellipse if dice.random() < 0.5 else drawing.rectangle)(box, colour)
    return picture.filter(ImageFilter.GaussianBlur(0.8))


@cache
def look_at(content: bytes, files: bool) -> tuple[Subject, Size]:
    picture = decode(content)
    size = Size(picture.width, picture.height)
    found = describe(picture.pixels, sha256(content).digest())
    if files:
        return Subject(found, picture.pixels, find_full_features(picture.pixels)), size
    assert found.thumbnail is not None
    small = found.thumbnail.pixels
    assert small is not None
    return Subject(found, small, None), size


def compare(
    one: Image.Image, other: Image.Image, *, files: bool = True
) -> tuple[Edits, Edits] | None:
    first, first_size = look_at(encode(one, 92), files)
    second, second_size = look_at(encode(other, 75), files)
    return describe_edits(first, second, first_size, second_size)


def say(edits: Edits) -> dict[str, Any]:
    """Return what is said that is not said of a copy to which nothing was done."""
    return {
        name: getattr(edits, name)
        for name in SAID
        if getattr(edits, name) != getattr(NO_EDITS, name)
    }


def take(edits: Edits, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = edits.matrix
    return a * x + c * y + e, b * x + d * y + f


def crop(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((width // 10, height // 20, width, height * 19 // 20))


def write_below(picture: Image.Image) -> Image.Image:
    made = ImageOps.expand(picture, (0, 0, 0, picture.height // 6), "white")
    place = picture.width // 20, picture.height + picture.height // 40
    font = ImageFont.load_default(size=picture.height // 12)
    ImageDraw.Draw(made).text(place, "When you see it", "black", font)
    return made


def write_over(picture: Image.Image) -> Image.Image:
    made = picture.copy()
    font = ImageFont.load_default(size=picture.width // 12)
    place = picture.width // 4, picture.height * 3 // 4
    ImageDraw.Draw(made).text(place, "SOLD OUT", "white", font, stroke_width=3, stroke_fill="black")
    return made


#: Name → the edit, what is said of the copy, and of the original.
EDITS: dict[str, tuple[Edit, dict[str, Any], dict[str, Any]]] = {
    "encoded again": (lambda one: one, {}, {}),
    "half": (lambda one: one.resize((one.width // 2, one.height // 2)), {}, {}),
    "cropped": (crop, {"is_cropped": True}, {"extends": True}),
    "framed": (lambda one: ImageOps.expand(one, 20, "white"), {"is_framed": True}, {}),
    "black": (lambda one: ImageOps.expand(one, 20, "black"), {"is_framed": True}, {}),
    "mirrored": (ImageOps.mirror, {"mirrored": True}, {"mirrored": True}),
    "90": (lambda one: one.rotate(-90, expand=True), {"turn": 90.0}, {"turn": 270.0}),
    "180": (lambda one: one.rotate(180), {"turn": 180.0}, {"turn": 180.0}),
    "grey": (ImageOps.grayscale, {"tone": "grey"}, {}),
    "lighter": (
        lambda one: ImageEnhance.Brightness(one).enhance(1.2),
        {"tone": "lighter"},
        {"tone": "darker"},
    ),
    "both": (
        lambda one: crop(ImageOps.mirror(one)),
        {"mirrored": True, "is_cropped": True},
        {"mirrored": True, "extends": True},
    ),
}
#: Found only in the files.
SMALL: dict[str, tuple[Edit, dict[str, Any], dict[str, Any]]] = {
    "bar": (write_below, {"is_framed": True}, {}),
    "caption": (write_over, {"is_captioned": True}, {}),
    "cropped, framed": (
        lambda one: ImageOps.expand(crop(one), 24, "black"),
        {"is_cropped": True, "is_framed": True},
        {"extends": True},
    ),
}


@pytest.mark.parametrize("files", [True, False], ids=["files", "thumbnails"])
@pytest.mark.parametrize("name", EDITS)
def test_edits_are_named(name: str, files: bool) -> None:
    edit, of_copy, of_original = EDITS[name]
    found = compare(draw(), edit(draw()), files=files)
    assert found is not None
    assert (say(found[0]), say(found[1])) == (of_copy, of_original)
    assert found[0].changed is found[1].changed is None
    assert found[0].scale == pytest.approx(0.5 if name == "half" else 1.0, abs=0.02)
    assert found[1].scale == pytest.approx(1 / found[0].scale)
    assert found[1].part_of_first == found[0].part_of_second


@pytest.mark.parametrize("name", [*EDITS, *SMALL])
def test_edits_of_photographs_are_named(name: str, shared: Path) -> None:
    edit, of_copy, of_original = (EDITS | SMALL)[name]
    for path in sorted((shared / "photos").glob("*.jpg"))[40:170:90]:
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        found = compare(photo, edit(photo))
        assert found is not None
        assert (say(found[0]), say(found[1])) == (of_copy, of_original)


@pytest.mark.parametrize("name", SMALL)
def test_small_edits_are_named(name: str) -> None:
    edit, of_copy, of_original = SMALL[name]
    found = compare(draw(), edit(draw()))
    assert found is not None
    assert (say(found[0]), say(found[1])) == (of_copy, of_original)


def test_the_parts_and_the_map_of_a_crop() -> None:
    found = compare(draw(), crop(draw()))
    assert found is not None
    edits, back = found
    assert edits.part_of_first == pytest.approx(Box(0.1, 0.05, 1.0, 0.95), abs=0.01)
    assert edits.part_of_second == pytest.approx(Box(0, 0, 1, 1), abs=0.01)
    assert take(edits, 0, 0) == pytest.approx((0.1, 0.05), abs=0.01)
    assert take(edits, 1, 1) == pytest.approx((1.0, 0.95), abs=0.01)
    assert take(back, *take(edits, 0.3, 0.4)) == pytest.approx((0.3, 0.4))


def test_the_map_of_a_turned_mirror_image_and_of_a_tilted_one() -> None:
    found = compare(draw(), ImageOps.mirror(draw()).rotate(-90, expand=True))
    assert found is not None
    assert say(found[0]) == {"mirrored": True, "turn": 90.0}
    # Its upper left corner is the lower left one of the mirror image, the lower right of the first.
    assert take(found[0], 0, 0) == pytest.approx((1, 1), abs=0.01)
    assert take(found[0], 1, 0) == pytest.approx((1, 0), abs=0.01)
    tilted = compare(draw(), draw().rotate(-12, expand=True, fillcolor="white"))
    assert tilted is not None
    assert tilted[0].turn == pytest.approx(12, abs=0.5)
    assert say(tilted[0]).keys() == {"turn"}
    inside = compare(draw(), draw().rotate(-12).crop((90, 80, 390, 280)))
    assert inside is not None
    assert say(inside[0]).keys() == {"turn", "is_cropped"}
    assert say(inside[1]).keys() == {"turn", "extends"}


def test_where_something_was_written_and_in_which() -> None:
    found = compare(draw(), crop(write_over(draw())))
    assert found is not None
    copy, original = found
    assert copy.changed is not None
    assert original.changed is not None
    assert (copy.is_captioned, original.is_captioned) == (True, False)
    left, top, right, bottom = original.changed
    assert 0.2 < left < 0.28
    assert 0.7 < top < 0.8
    assert 0.55 < right < 0.75
    assert 0.82 < bottom < 0.95
    assert take(copy, copy.changed.left, copy.changed.top) == pytest.approx((left, top), abs=0.01)


def test_a_frame_of_both_is_none_of_the_copy() -> None:
    framed = ImageOps.expand(draw(), 20, "black")
    found = compare(framed, ImageEnhance.Brightness(framed).enhance(1.2))
    assert found is not None
    assert say(found[0]) == {"tone": "lighter"}


def test_pictures_without_features_are_compared_as_a_whole() -> None:
    shade = np.linspace(40, 200, 120, dtype=np.float32)
    smooth = Image.fromarray(np.add.outer(shade, shade[:90] / 4).astype(np.uint8)).convert("RGB")
    found = compare(smooth, smooth.rotate(-90, expand=True))
    assert found is not None
    assert say(found[0]) == {"turn": 90.0}
    assert compare(smooth, Image.new("RGB", smooth.size, "#808080")) is None


def test_nothing_is_said_of_other_pictures() -> None:
    assert compare(draw(1), draw(2)) is None
    assert compare(draw(1), draw(2), files=False) is None
