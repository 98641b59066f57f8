"""Photos and edited copies, saved through the ORM, indexed by a worker, found by copies_of().

    python -m benchmarks.end_to_end FOLDER [--broker redis://127.0.0.1:6379/9]

Everything is real: a SQLite file, a Celery worker process, the broker. Prints how many of the
copies were found, how many other photos were taken for copies, and how long each step took.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import tempfile
import time
from pathlib import Path

from PIL import Image

EDITS = ("re-encoded", "resized", "cropped")


def edited(content: bytes, edit: str) -> bytes:
    with Image.open(io.BytesIO(content)) as opened:
        photo = opened.convert("RGB")
    width, height = photo.size
    if edit == "resized":
        photo = photo.resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    elif edit == "cropped":  # 3 % off each side
        photo = photo.crop(
            (width * 3 // 100, height * 3 // 100, width * 97 // 100, height * 97 // 100)
        )
    written = io.BytesIO()
    photo.save(written, "JPEG", quality=50 if edit == "re-encoded" else 85)
    return written.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="a folder of JPEG photos")
    parser.add_argument("--broker", default="redis://127.0.0.1:6379/9")
    parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    photos = sorted(options.folder.glob("*.jp*g"))
    with tempfile.TemporaryDirectory() as folder:
        # Set before the settings are read: this process and the worker share one database.
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            TEST_DATABASE="sqlite",
            TEST_IS_WORKER="1",
            TEST_SQLITE_FOLDER=folder,
            TEST_MEDIA_ROOT=f"{folder}/media",
        )
        return measure(photos, options.broker, options.concurrency, Path(folder))


def measure(photos: list[Path], broker: str, concurrency: int, folder: Path) -> int:
    import celery
    import django

    import tests  # noqa: F401 -- makes its Celery app

    django.setup()
    from django.core.files.base import ContentFile
    from django.core.management import call_command

    from tests.testapp.models import Product
    from tests.workers import celery_app, wait_until_all_in_sync, worker

    call_command("migrate", run_syncdb=True, verbosity=0)
    print(
        f"{len(photos)} photos, {len(EDITS)} copies of each ({', '.join(EDITS)}); "
        f"{concurrency} worker processes over {broker.split(':')[0]}, SQLite; "
        f"Python {platform.python_version()}, Django {django.__version__}, "
        f"Celery {celery.__version__}, {platform.machine()}, {os.cpu_count()} cores"
    )
    family: dict[int, list[tuple[str, int]]] = {}
    with celery_app(broker) as app, worker(app, folder, concurrency=concurrency):
        started = time.perf_counter()
        for path in photos:
            content = path.read_bytes()
            original = Product.objects.create(photo=ContentFile(content, path.name))
            family[original.pk] = [
                (
                    edit,
                    Product.objects.create(
                        photo=ContentFile(edited(content, edit), f"{edit}-{path.name}")
                    ).pk,
                )
                for edit in EDITS
            ]
        saved = time.perf_counter() - started
        wait_until_all_in_sync()
        indexed = time.perf_counter() - started
    found = dict.fromkeys(EDITS, 0)
    others = 0
    started = time.perf_counter()
    for key, copies in family.items():
        rows = {row.pk for row in Product.objects.copies_of(Product.objects.get(pk=key).photo)}
        others += len(rows.difference(pk for _, pk in copies))
        for edit, pk in copies:
            found[edit] += pk in rows
    searched = time.perf_counter() - started
    groups = len(Product.objects.duplicates())
    total = len(photos) * (1 + len(EDITS))
    print(
        f"saved {total} rows in {saved:.1f} s; all indexed {indexed - saved:.1f} s after the last"
    )
    print(f"copies_of(): {searched / len(photos) * 1000:.1f} ms each, photo decoded and described")
    for edit, count in found.items():
        print(f"{edit:>12}: {count} of {len(photos)} copies found")
    print(f"other photos taken for copies: {others} in {len(photos)} searches")
    print(f"duplicates(): {groups} groups")
    return 0 if all(count == len(photos) for count in found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
