"""What very many copies of one picture cost, and whether deleted collections leave memory behind.

    python benchmarks/crowd.py PHOTOS [--images 1000] [--collections 100]

PHOTOS holds photographs, each a different scene. ``--images`` pictures are stored three times: as
quarters of the photographs, all different; as re-encodings of one photograph; and as one file.
Printed are the seconds that ``duplicates()`` and the server's groups need for pairs and groups of
each, and how many pairs were compared. Then as many collections as ``--collections`` says are
filled with made-up pictures, searched and deleted; printed is how the process's memory grows.

A database of its own is made, SQLite in a temporary folder.
"""

# ruff: noqa: E402 -- Django is set up before its models are imported
from __future__ import annotations

import argparse
import dataclasses
import gc
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django
from django.conf import settings

FOLDER = tempfile.TemporaryDirectory()
settings.configure(
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{FOLDER.name}/db.sqlite3"}
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django_visualsnoop.engine"],
    USE_TZ=True,
)
django.setup()

import synthetic
from django.core.management import call_command
from PIL import Image

from django_visualsnoop.engine.gallery import Gallery, pair_hits
from django_visualsnoop.engine.models import Collection, IndexedImage
from django_visualsnoop.grouping import Link, grouped

if TYPE_CHECKING:
    from django_visualsnoop.engine.store import NewImage

#: In each collection that is searched and deleted.
IMAGES = 2000


def jpeg(picture: Image.Image, quality: int) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return content.getvalue()


def quarters(photos: list[Path], count: int) -> list[bytes]:
    """Return the four quarters of each photograph, of which no two overlap."""
    made = []
    for photo in photos[: -(-count // 4)]:
        picture = Image.open(photo).convert("RGB")
        width, height = picture.width // 2, picture.height // 2
        made += [
            jpeg(picture.crop((left, top, left + width, top + height)), 85)
            for left in (0, width)
            for top in (0, height)
        ]
    return made[:count]


def reencoded(photo: Path, count: int) -> list[bytes]:
    picture = Image.open(photo).convert("RGB")
    return [
        jpeg(picture.resize((picture.width - n % 40, picture.height - n % 40)), 60 + n % 35)
        for n in range(count)
    ]


def measure(name: str, images: list[NewImage]) -> None:
    gallery = Gallery("default", name)
    gallery.store.put(images)
    gallery.pair_finder()  # reads the rows
    finder = gallery.pair_finder()
    assert finder is not None
    cpu, wall = time.process_time(), time.perf_counter()
    links = {
        (pair.first_id, pair.second_id): Link(pair.rank, pair.similarity, ("", ""))
        for pair in pair_hits(finder.all())
    }
    groups = grouped(links)
    print(
        f"{name}: {time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} s of a core; "
        f"{finder.compared} pairs compared, {len(groups)} groups, "
        f"{max(map(len, groups), default=0)} images in the largest",
        flush=True,
    )
    delete(name)


def delete(name: str) -> None:
    collections = Collection.objects.filter(name=name)
    IndexedImage.objects.filter(collection__in=collections).delete()
    collections.delete()


def resident() -> float:
    """Return the memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def give_back(content: bytes, collections: int) -> None:
    template = Gallery("default", "maker").described(content, "")
    contents = [one for _, chunk in synthetic.chunks(IMAGES, 1) for one in chunk.contents()]
    images = [
        dataclasses.replace(template, image_id=f"{place}", vector=vector)
        for place, vector in enumerate(contents)
    ]
    for number in range(collections):
        name = f"collection {number}"
        gallery = Gallery("default", name)
        gallery.store.put(images)
        gallery.search(content, limit=10)
        delete(name)
        if (number + 1) % max(1, collections // 10) == 0:
            gc.collect()
            held = resident()
            print(f"{number + 1} collections of {IMAGES:,} images: {held:.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--collections", type=int, default=100)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    photos = sorted(options.photos.glob("*.jpg"))
    maker = Gallery("default", "maker")

    def described(contents: list[bytes]) -> list[NewImage]:
        return [maker.described(content, f"{n:05}") for n, content in enumerate(contents)]

    measure("different", described(quarters(photos, options.images)))
    measure("re-encoded", described(reencoded(photos[5], options.images)))
    one = maker.described(photos[5].read_bytes(), "")
    same = [dataclasses.replace(one, image_id=f"{n:05}") for n in range(options.images)]
    measure("one file", same)
    give_back(photos[5].read_bytes(), options.collections)


if __name__ == "__main__":
    main()
