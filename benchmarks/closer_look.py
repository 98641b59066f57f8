"""What ``duplicates()`` costs and changes when it looks closer at pairs that look like copies.

    python -m benchmarks.closer_look FOLDER [--photos 60] [--seed 1]

Rows of an SQLite file hold photographs of the folder, each with a label of a few letters; for each,
a copy (re-encoded, smaller, brighter or cropped) and one with another label. Everything goes
through ``duplicates()``: without a closer look, with it, and again, when all verdicts are known.
Printed are seconds, the memory that was added at the peak, and how many copies and how many rows of
another label are in the group of their photograph.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from tests.fuzz.pictures import resident

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the label says, and what it says on another carton.
LABELS = [
    ("Vanilla", "Cherry"),
    ("v1.2.3", "v1.2.4"),
    ("02/05/2026", "19/11/2026"),
    ("12.99", "17.49"),
    ("3 : 1", "3 : 2"),
]
#: The height of the letters, as a share of the longer side.
HEIGHTS = 0.025, 0.04, 0.06


def labelled(photo: Image.Image, text: str, dice: random.Random) -> Image.Image:
    picture = photo.copy()
    size = max(8, round(max(picture.size) * dice.choice(HEIGHTS)))
    left, top = (round(side * dice.uniform(0.1, 0.6)) for side in picture.size)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=size)
    draw.rectangle(
        (left - size // 3, top - size // 4, left + 6 * size, top + 3 * size // 2), "#eee"
    )
    draw.text((left, top), text, "#222", font)
    return picture


def edited(picture: Image.Image, dice: random.Random) -> Image.Image:
    width, height = picture.size
    which = dice.randrange(4)
    if which == 0:
        return picture.resize((width * 2 // 3, height * 2 // 3), Image.Resampling.LANCZOS)
    if which == 1:
        return ImageEnhance.Brightness(picture).enhance(1.2)
    if which == 2:
        return picture.crop((width * 2 // 100, height * 2 // 100, width, height))
    return picture


def encoded(picture: Image.Image, quality: int) -> bytes:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return written.getvalue()


def draw(paths: list[Path], seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield the name of a row, the number of its photograph and what it is, and its file."""
    for number, path in enumerate(paths):
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        photo.thumbnail((1200, 1200))
        dice = random.Random(f"{seed} {number}")
        label, other = dice.choice(LABELS)
        place = f"{seed} {number} place"
        own = labelled(photo, label, random.Random(place))
        variant = labelled(photo, other, random.Random(place))
        yield f"{number} own", encoded(own, 90)
        yield f"{number} copy", encoded(edited(own, dice), 75)
        yield f"{number} other", encoded(edited(variant, dice), 75)


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="a folder of JPEG photos")
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Set before the settings are read.
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            TEST_DATABASE="sqlite",
            TEST_IS_WORKER="1",
            TEST_SQLITE_FOLDER=folder,
            TEST_MEDIA_ROOT=f"{folder}/media",
        )
        measure(sorted(options.folder.glob("*.jp*g"))[: options.photos], options.seed)


def measure(paths: list[Path], seed: int) -> None:
    import django

    django.setup()
    from django.core.files.base import ContentFile
    from django.core.management import call_command

    from django_visualsnoop.engine.models import PairVerdict
    from django_visualsnoop.outbox.pausing import sync_paused
    from tests.testapp.models import Product

    call_command("migrate", run_syncdb=True, verbosity=0)
    with sync_paused():
        for name, content in draw(paths, seed):
            row = Product(name=name)
            row.photo.save(f"{name}.jpg", ContentFile(content), save=True)
    call_command("visualsnoop_reindex", verbosity=0, stdout=io.StringIO())
    print(
        f"{len(paths)} photographs, seed {seed}; SQLite; Python {platform.python_version()}, "
        f"Django {django.__version__}, {os.cpu_count()} cores"
    )

    def run(what: str, **given: Any) -> None:
        forget_peak()
        held, began, busy = resident("VmRSS"), time.perf_counter(), time.process_time()
        groups = list(Product.objects.duplicates(**given))
        took, worked = time.perf_counter() - began, time.process_time() - busy
        added = (resident("VmHWM") - held) / 2**20
        kinds = {"copy": 0, "other": 0}
        for group in groups:
            names = {tuple(row.name.split()) for row in group}
            for number, kind in names:
                if kind != "own" and (number, "own") in names:
                    kinds[kind] += 1
        looks = PairVerdict.objects.count()
        print(
            f"{what:24}{took:7.2f} s ({worked:.2f} s of a processor), +{added:.0f} MB; "
            f"{kinds['copy']} copies and {kinds['other']} of another label in groups; "
            f"{looks} verdicts"
        )

    run("without a closer look", closer_look=False)
    run("with a closer look")
    run("again, all known")


if __name__ == "__main__":
    main()
