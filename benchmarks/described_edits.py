"""How often ``describe_edits()`` says what was done to a copy.

    python -m benchmarks.described_edits FOLDER [--photos 100] [--seed 1] [--thumbnails]

Each photograph of the folder without a frame of its own is edited in the ways below and saved as
JPEG. The original is asked how the copy differs, and the copy how the original does. With
``--thumbnails``, no file is read.

Printed are, for each edit, the shares of the photographs where it is named, where nothing else is
said of the copy, and where nothing is said of the original: that it is cropped, framed, captioned
or without colours.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from django_visualsnoop.engine.descriptors.describe import describe
from django_visualsnoop.engine.images.content_boxes import crop_bands
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.affine import Subject
from django_visualsnoop.engine.matching.edits import describe_edits
from django_visualsnoop.engine.matching.overlay import find_full_features
from django_visualsnoop.engine.matching.placement import Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_visualsnoop.common.edits import Edits

    Edit = Callable[[Image.Image, random.Random], Image.Image]

LONGEST = 1200


def crop(share: float) -> Edit:
    """Return an edit that cuts off a share of the area, from sides by chance."""

    def edit(image: Image.Image, dice: random.Random) -> Image.Image:
        side = (1 - share) ** 0.5
        width, height = round(image.width * side), round(image.height * side)
        left = dice.randint(0, image.width - width)
        top = dice.randint(0, image.height - height)
        return image.crop((left, top, left + width, top + height))

    return edit


def frame(colour: str) -> Edit:
    return lambda image, dice: ImageOps.expand(
        image, round(min(image.size) * dice.uniform(0.03, 0.12)), colour
    )


def write(image: Image.Image, text: str, place: tuple[float, float], size: float, ink: str) -> None:
    font = ImageFont.load_default(size=max(9, round(size * max(image.size))))
    ImageDraw.Draw(image).text(
        (place[0] * image.width, place[1] * image.height),
        text,
        ink,
        font,
        stroke_width=max(1, round(0.08 * size * max(image.size))),
        stroke_fill="black" if ink == "white" else "white",
    )


def bar(image: Image.Image, dice: random.Random) -> Image.Image:
    """Add a bar with words below."""
    colour, ink = dice.choice([("white", "black"), ("black", "white")])
    high = round(image.height * dice.uniform(0.1, 0.2))
    made = ImageOps.expand(image, (0, 0, 0, high), colour)
    font = ImageFont.load_default(size=max(9, round(0.45 * high)))
    words = dice.choice(["When you see it", "Summer sale", "Photo: the archive", "No comment"])
    ImageDraw.Draw(made).text(
        (round(0.05 * image.width), image.height + high // 5), words, ink, font
    )
    return made


def caption(image: Image.Image, dice: random.Random) -> Image.Image:
    """Write over the picture."""
    made = image.copy()
    words = dice.choice(["ONE DOES NOT SIMPLY", "SOLD", "Best of 2026", "Happy birthday!"])
    write(
        made,
        words,
        (0.06, dice.choice([0.04, 0.8])),
        dice.uniform(0.05, 0.09),
        dice.choice(["white", "#ffdd00"]),
    )
    return made


def logo(image: Image.Image, dice: random.Random) -> Image.Image:
    """Put a logo into a corner."""
    made = image.copy()
    side = round(max(image.size) * dice.uniform(0.07, 0.13))
    left = dice.choice([side // 4, image.width - side - side // 4])
    top = dice.choice([side // 4, image.height - side - side // 4])
    draw = ImageDraw.Draw(made)
    draw.ellipse(
        (left, top, left + side, top + side), dice.choice(["#c01030", "#104080", "#f0b000"])
    )
    draw.text(
        (left + side // 4, top + side // 3), "ab", "white", ImageFont.load_default(size=side / 3)
    )
    return made


def half(image: Image.Image, _: random.Random) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def turn(degrees: int) -> Edit:
    return lambda image, _: image.rotate(-degrees, expand=True)


#: By name: the edits, and what is to be said.
EDITS: dict[str, tuple[list[Edit], dict[str, Any]]] = {
    "re-encoded": ([], {}),
    "half the size": ([half], {}),
    "cropped by 7 %": ([crop(0.07)], {"is_cropped": True}),
    "cropped by 15 %": ([crop(0.15)], {"is_cropped": True}),
    "cropped by 30 %": ([crop(0.3)], {"is_cropped": True}),
    "white frame": ([frame("white")], {"is_framed": True}),
    "black frame": ([frame("black")], {"is_framed": True}),
    "bar with words": ([bar], {"is_framed": True}),
    "caption": ([caption], {"is_captioned": True}),
    "logo": ([logo], {"is_captioned": True}),
    "mirrored": ([lambda image, _: ImageOps.mirror(image)], {"mirrored": True}),
    "turned by 90": ([turn(90)], {"turn": 90.0}),
    "turned by 180": ([turn(180)], {"turn": 180.0}),
    "turned by 270": ([turn(270)], {"turn": 270.0}),
    "grey": ([lambda image, _: ImageOps.grayscale(image).convert("RGB")], {"tone": "grey"}),
    "lighter": (
        [lambda image, _: ImageEnhance.Brightness(image).enhance(1.25)],
        {"tone": "lighter"},
    ),
    "darker": ([lambda image, _: ImageEnhance.Brightness(image).enhance(0.75)], {"tone": "darker"}),
    "mirrored, cropped": (
        [lambda image, _: ImageOps.mirror(image), crop(0.15)],
        {"mirrored": True, "is_cropped": True},
    ),
    "framed, half the size": ([frame("white"), half], {"is_framed": True}),
    "cropped, framed": ([crop(0.2), frame("black")], {"is_cropped": True, "is_framed": True}),
    "turned, caption": ([turn(90), caption], {"turn": 90.0, "is_captioned": True}),
    "grey, cropped": (
        [lambda image, _: ImageOps.grayscale(image).convert("RGB"), crop(0.15)],
        {"tone": "grey", "is_cropped": True},
    ),
}
#: What is said of a copy to which nothing was done.
NOTHING = {
    "mirrored": False,
    "turn": 0.0,
    "is_cropped": False,
    "is_framed": False,
    "extends": False,
    "tone": "",
    "is_captioned": False,
}
#: What must not be said of the original.
LOST = ("is_cropped", "is_framed", "is_captioned")


def encode(image: Image.Image, quality: int) -> bytes:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=quality)
    return written.getvalue()


def look_at(content: bytes, *, thumbnails: bool) -> tuple[Subject, Size]:
    picture = decode(content)
    descriptor = describe(picture.pixels, sha256(content).digest())
    size = Size(picture.width, picture.height)
    if not thumbnails:
        subject = Subject(descriptor, picture.pixels, find_full_features(picture.pixels))
        return subject, size
    small = None if descriptor.thumbnail is None else descriptor.thumbnail.pixels
    assert small is not None
    return Subject(descriptor, small, None), size


def has_frame(path: Path) -> bool:
    """Return whether a photograph has a frame of its own, which some edits remove."""
    return crop_bands(decode(path.read_bytes()).pixels) is not None


def check(found: tuple[Edits, Edits] | None, wanted: dict[str, Any]) -> list[str]:
    """Return which of the printed columns are right, and which values are wrong."""
    if found is None:
        return ["none"]
    copy, original = found
    wrong = {name for name, value in (NOTHING | wanted).items() if getattr(copy, name) != value}
    said = {name for name in LOST if getattr(original, name)}
    right = []
    if not wrong & wanted.keys():
        right.append("named")
    if not wrong - wanted.keys():
        right.append("nothing else")
    if not said and original.tone != "grey":
        right.append("original")
    return right + [f"!{name}" for name in sorted(wrong)] + [f"!original {name}" for name in said]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="a folder of JPEG photos")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--thumbnails", action="store_true", help="read no file")
    parser.add_argument("--edits", nargs="*", default=list(EDITS), help="names of edits")
    options = parser.parse_args()
    paths = [path for path in sorted(options.folder.glob("*.jp*g")) if not has_frame(path)]
    paths = paths[:: max(1, len(paths) // options.photos)][: options.photos]
    counts: dict[str, Counter[str]] = {name: Counter() for name in options.edits}
    for path in paths:
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        photo.thumbnail((LONGEST, LONGEST))
        original = look_at(encode(photo, 92), thumbnails=options.thumbnails)
        for name in options.edits:
            edits, wanted = EDITS[name]
            dice = random.Random(f"{options.seed} {path.name} {name}")
            copy = photo
            for edit in edits:
                copy = edit(copy, dice)
            edited = look_at(encode(copy, dice.choice([60, 75, 85])), thumbnails=options.thumbnails)
            found = describe_edits(original[0], edited[0], original[1], edited[1])
            results = check(found, wanted)
            counts[name].update(results)
            wrong = [one for one in results if one.startswith("!") or one == "none"]
            if wrong:
                print(path.name, name, *wrong, file=sys.stderr)
    print(f"{len(paths)} photographs, seed {options.seed}")
    columns = ("named", "nothing else", "original")
    print(f"{'':24}" + "".join(f"{column:>14}" for column in columns))
    for name, count in counts.items():
        shares = "".join(f"{count[column] / len(paths):14.3f}" for column in columns)
        print(f"{name:24}{shares}")


if __name__ == "__main__":
    main()
