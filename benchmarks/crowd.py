"""What very many copies of one picture cost, and whether deleted collections leave memory behind.

    python -m benchmarks.crowd [PHOTOS] [--images 1000] [--collections 100] [--seed 1]

Three collections of ``--images`` pictures each are searched in turn: all different; re-encodings of
one picture; and different blank pages. PHOTOS is a folder of photographs, whose quarters are the
different pictures; without it, pictures are made up. Each is searched by the public calls: those of
the QuerySet, which fetch the rows; the command; the admin's page; and on the server API v2 and the
page of copies. Printed are the seconds of each on the clock and of a core, and how many times those
of the different pictures the crowds cost.

Then as many collections as ``--collections`` says are filled with made-up pictures, searched and
deleted; printed is how the process's memory grows.

A database of its own is made, SQLite in a temporary folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import io
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from django_visualsnoop.common.search_options import SearchOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_visualsnoop.engine.gallery import Gallery
    from django_visualsnoop.engine.storage.values import NewImage
    from tests.server.hosting import Tenant

    #: Seconds on the clock, seconds of a core.
    Seconds = tuple[float, float]

#: In each collection that is searched and deleted.
IMAGES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--collections", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            TEST_DATABASE="sqlite",
            TEST_SQLITE_FOLDER=folder,
            TEST_MEDIA_ROOT=f"{folder}/media",
        )
        import django

        django.setup()
        from django.test.utils import setup_databases, setup_test_environment, teardown_databases

        setup_test_environment()
        made = setup_databases(verbosity=0, interactive=False, aliases=["default"])
        try:
            measure(options)
            give_back(jpeg(picture(options.seed), 85), options.collections)
        finally:
            teardown_databases(made, verbosity=0)


def measure(options: argparse.Namespace) -> None:
    import cv2
    import django

    print(
        f"{options.images:,} pictures of each kind, seed {options.seed}; {processor()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; SQLite, "
        f"Python {platform.python_version()}, Django {django.__version__}, "
        f"numpy {np.__version__}, OpenCV {cv2.__version__}",
        flush=True,
    )
    dice = np.random.default_rng(options.seed)
    photos = sorted(options.photos.glob("*.jp*g")) if options.photos else []
    one = Image.open(photos[5]).convert("RGB") if photos else picture(options.seed)
    seconds_of_calls(lambda: different(photos, 4, options.seed))  # loads what is loaded once
    base = seconds_of_calls(lambda: different(photos, options.images, options.seed))
    crowds = {
        "re-encoded": seconds_of_calls(lambda: reencoded(one, options.images)),
        "blank": seconds_of_calls(lambda: blank(options.images, dice)),
    }
    print(f"{'':24}{'different':>16}" + "".join(f"{name:>16}{'ratio':>16}" for name in crowds))
    for call, least in base.items():
        line = f"{call:24}{seconds(least)}"
        for crowd in crowds.values():
            ratios = (a / b for a, b in zip(crowd[call], least, strict=True))
            line += seconds(crowd[call]) + f"{next(ratios):9.1f} /{next(ratios):5.1f}"
        print(line)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def seconds(spent: Seconds) -> str:
    return f"{spent[0]:9.2f} /{spent[1]:5.2f}"


def picture(seed: int) -> Image.Image:
    """Return a made-up picture with details of all sizes."""
    dice = np.random.default_rng(seed)
    pixels = np.zeros((333, 500, 3))
    for size in (4, 8, 16, 32, 64):
        some = Image.fromarray(dice.integers(0, 256, (size, size, 3), dtype=np.uint8))
        pixels += np.asarray(some.resize((500, 333), Image.Resampling.BICUBIC)) / 5
    return Image.fromarray(pixels.astype(np.uint8))


def jpeg(picture: Image.Image, quality: int) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return content.getvalue()


def different(photos: list[Path], count: int, seed: int) -> list[bytes]:
    """Return the four quarters of each photograph, of which no two overlap, or what is made up."""
    if not photos:
        return [jpeg(picture(seed + number), 85) for number in range(1, count + 1)]
    made = []
    for photo in photos[: -(-count // 4)]:
        whole = Image.open(photo).convert("RGB")
        width, height = whole.width // 2, whole.height // 2
        made += [
            jpeg(whole.crop((left, top, left + width, top + height)), 85)
            for left in (0, width)
            for top in (0, height)
        ]
    return made[:count]


def reencoded(one: Image.Image, count: int) -> list[bytes]:
    return [
        jpeg(one.resize((one.width - n % 40, one.height - n % 40)), 60 + n % 35)
        for n in range(count)
    ]


def blank(count: int, dice: np.random.Generator) -> list[bytes]:
    """Return scans of empty paper, with the noise of a scanner."""
    pages = (dice.normal(245, 1.5, (240, 320, 3)).clip(0, 255) for _ in range(count))
    return [jpeg(Image.fromarray(page.astype(np.uint8)), 90) for page in pages]


def seconds_of_calls(make: Callable[[], list[bytes]]) -> dict[str, Seconds]:
    """Return what the public calls cost in collections of these pictures."""
    from django_visualsnoop.engine.gallery import Gallery
    from django_visualsnoop.server.content.images import HostedImages
    from tests.server.hosting import tenant
    from tests.testapp.models import Product

    maker = Gallery("default", "maker")
    images = [maker.describe_image(content, "") for content in make()]
    hosted = tenant()
    rows = Product.objects.bulk_create([Product(photo=f"{n}.jpg") for n in range(len(images))])
    keys = [f"testapp.product.photo:{row.pk}" for row in rows]
    galleries = Gallery("default", "default"), HostedImages(hosted.collection).gallery
    store(galleries[0], images, keys)
    store(galleries[1], images, [f"{n:05}" for n in range(len(images))])
    try:
        return {name: timed(call) for name, call in calls(rows[0], hosted).items()}
    finally:
        Product.objects.all().delete()
        for gallery in galleries:
            delete(gallery)


def store(gallery: Gallery, images: list[NewImage], ids: list[str]) -> None:
    named = zip(images, ids, strict=True)
    gallery.store.put([dataclasses.replace(image, image_id=image_id) for image, image_id in named])
    gallery.build_pair_finder()  # reads them


def calls(row: object, hosted: Tenant) -> dict[str, Callable[[], object]]:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    from tests.server.v2 import ask
    from tests.testapp.models import Product

    user, _ = get_user_model().objects.get_or_create(
        username="ann@example.com",
        defaults={"email": "ann@example.com"},
    )
    user.is_staff = user.is_superuser = True
    user.save()
    client = Client()
    client.force_login(user)
    of = Product.objects.filter(pk=row.pk)  # type: ignore[attr-defined]

    def get(path: str) -> object:
        response = client.get(path)
        assert response.status_code == 200, response
        return response.content

    def groups(**query: object) -> object:
        answer = ask(hosted, "GET", "/groups", **query)
        assert answer.status == 200, answer
        return answer.body

    return {
        "duplicates()": lambda: list(Product.objects.duplicates()),
        "duplicates(of=one)": lambda: list(Product.objects.duplicates(of=of)),
        "copies_of(one)": lambda: list(Product.objects.copies_of(row)),  # type: ignore[arg-type]
        "visualsnoop_duplicates": lambda: call_command(
            "visualsnoop_duplicates", "testapp.Product", "--json", stdout=io.StringIO()
        ),
        "the admin's page": lambda: get("/admin/testapp/product/duplicates/"),
        "GET groups": groups,
        "GET groups?image_id": lambda: groups(image_id="00000"),
        "the page of copies": lambda: get(f"/collections/{hosted.collection_id}/copies/"),
    }


def timed(call: Callable[[], object]) -> Seconds:
    """Return what a call costs once the process has read the collection."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def delete(gallery: Gallery) -> None:
    from django_visualsnoop.engine.models import Collection, IndexedImage

    collections = Collection.objects.filter(key=gallery.store.key)
    IndexedImage.objects.filter(collection__in=collections).delete()
    collections.delete()


def resident() -> float:
    """Return the memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def give_back(content: bytes, collections: int) -> None:
    from benchmarks import synthetic
    from django_visualsnoop.engine.gallery import Gallery

    template = Gallery("default", "maker").describe_image(content, "")
    contents = [one for _, chunk in synthetic.chunks(IMAGES, 1) for one in chunk.contents()]
    images = [dataclasses.replace(template, vector=vector) for vector in contents]
    for number in range(collections):
        gallery = Gallery("default", f"collection {number}")
        store(gallery, images, [f"{place}" for place in range(IMAGES)])
        gallery.search(content, SearchOptions(limit=10))
        delete(gallery)
        if (number + 1) % max(1, collections // 10) == 0:
            gc.collect()
            held = resident()
            print(f"{number + 1} collections of {IMAGES:,} images: {held:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
