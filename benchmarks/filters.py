"""How long searches take through the ORM, with filters of all kinds, as the table grows.

    python -m benchmarks.filters PHOTOS [--rows 10000 100000] [--seed 1] [--searches 60]
        [--folder FOLDER] [--postgresql NAME]

What is timed is the public call: ``list(Product.objects.copies_of(row, limit=20))`` and
``similar_to()``, on a table of rows with a picture each, and with filters that let half of the
rows pass, one of 100, or none. The calls take turns, so their ratios are of one run. Descriptors
are made up (see ``synthetic.py``): one of 100 rows has a near-copy. Embeddings are made of those
of the pictures in PHOTOS, by the model of the package: each of two of them and noise, so that some
look similar. FOLDER keeps the SQLite files; the PostgreSQL database NAME must be empty or filled by
this script. Each size runs in a process of its own, with one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent))

import django
import numpy as np
import synthetic
from django.conf import settings
from search import COPIES, memory, print_part, processor

from benchmarks.embeddings import make_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

LIMIT = 20


def set_up(options: argparse.Namespace) -> None:
    database = (
        {"ENGINE": "django.db.backends.postgresql", "NAME": options.postgresql}
        | {"HOST": "127.0.0.1", "USER": "postgres"}
        if options.postgresql
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": options.folder / "filters.sqlite3"}
    )
    engine: dict[str, Any] = {"cache": str(options.folder), "early": False}
    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django_visualsnoop",
            "django_visualsnoop.engine",
            "tests.testapp",
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        VISUALSNOOP={
            "default": {
                "BACKEND": "django_visualsnoop.collections.local.LocalCollection",
                "OPTIONS": engine,
            },
            "archive": {"BACKEND": "django_visualsnoop.collections.recorder.RecorderCollection"},
        },
    )
    django.setup()


def list_contents(rows: int, seed: int, photos: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield a descriptor and an embedding for each row; one of 100 is a copy of the row before."""
    real = describe_photos(photos)
    dice = np.random.default_rng((seed, 9))
    for start, chunk in synthetic.chunks(rows, seed):
        mixing = np.random.default_rng((seed, 8, start))
        embeddings = make_vectors(real, len(real) + len(chunk.vectors), mixing)[len(real) :]
        for number, content in enumerate(chunk.contents()):
            row = start + number
            if row % 100 == 1 and number > 0:
                cosine, kept = COPIES[list(COPIES)[row // 100 % len(COPIES)]]
                copy = synthetic.copy_of(
                    chunk, number - 1, dice, cosine=cosine, kept=kept, near=0, seed=seed
                )
                content = copy.descriptor().to_bytes()
            yield content, embeddings[number].tobytes()


def describe_photos(photos: Path) -> NDArray[np.int8]:
    """Return the embeddings of the pictures in a folder."""
    from django_visualsnoop.engine.images.decode import decode
    from django_visualsnoop.engine.lite0 import Lite0Embedding

    pictures = (decode(path.read_bytes()).pixels for path in sorted(photos.iterdir()))
    return np.stack(list(map(Lite0Embedding().describe, pictures)))


def fill(options: argparse.Namespace) -> dict[str, Any]:
    """Write the rows, unless they are there."""
    from django.core.management import call_command
    from django.db import connection, transaction

    from django_visualsnoop.engine.descriptors.describe import DESCRIPTION_VERSION
    from django_visualsnoop.engine.embedding import hash_identity
    from django_visualsnoop.engine.lite0 import Lite0Embedding
    from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
    from tests.testapp.models import Product

    call_command("migrate", verbosity=0, run_syncdb=True)
    (rows,) = options.rows
    if Product.objects.filter(pk=rows).exists():
        return {}
    collection = Collection.objects.create(name="default", key=key_of("default"), seq=1)
    names = ["collection_id", "key", "image_id", "image_time", "vector", "version", "digest"]
    names += ["width", "height", "seq", "looks", "looks_of", "looks_digest"]
    tables = {
        IndexedImage._meta.db_table: names,
        Product._meta.db_table: ["id", "name", "active", "photo"],
    }
    inserts = []
    for table, columns in tables.items():
        quoted = ", ".join(map(connection.ops.quote_name, columns))
        places = ", ".join(["%s"] * len(columns))
        inserts.append(f"INSERT INTO {table} ({quoted}) VALUES ({places})")
    model = hash_identity(Lite0Embedding())
    with transaction.atomic(), connection.cursor() as cursor:
        images, products = [], []
        contents = list_contents(rows, options.seed, options.photos)
        for number, (content, embedding) in enumerate(contents, 1):
            image_id = f"testapp.product.photo:{number}"
            image = [collection.pk, key_of(image_id), image_id, number, content]
            image += [DESCRIPTION_VERSION, "", 1, 1, 1, embedding, model, ""]
            images.append(image)
            products.append([number, str(number * 7919 % 100), number * 7919 % 200 < 100, "x.png"])
            if len(images) == synthetic.CHUNK or number == rows:
                for insert, some in zip(inserts, (images, products), strict=True):
                    cursor.executemany(insert, some)
                    some.clear()
    return {}


def search(options: argparse.Namespace) -> dict[str, Any]:
    from tests.testapp.models import Product

    (rows,) = options.rows
    before = memory()
    began = time.perf_counter()
    list(Product.objects.similar_to(Product.objects.get(pk=1)))
    told: dict[str, Any] = {"first answers s": round(time.perf_counter() - began, 2)}
    everything = Product.objects.all()
    filters = {
        "unfiltered": everything,
        "50 % pass": everything.filter(active=True),
        "1 % pass": everything.filter(name="7"),
        "none passes": everything.filter(name="no such"),
    }
    calls: dict[str, Callable[[Any], Any]] = {}
    for name, queryset in filters.items():
        calls[f"copies_of, {name}"] = lambda row, queryset=queryset: list(
            queryset.copies_of(row, limit=LIMIT)
        )
        calls[f"similar_to, {name}"] = lambda row, queryset=queryset: list(
            queryset.similar_to(row, limit=LIMIT)
        )
    dice = np.random.default_rng((options.seed, 12))
    numbers = dice.integers(1, rows + 1, options.searches)
    numbers[::2] -= (numbers[::2] - 1) % 100  # every second one has a copy
    asked = list(Product.objects.filter(pk__in=numbers))
    clock: dict[str, list[float]] = {name: [] for name in calls}
    processor_time: dict[str, list[float]] = {name: [] for name in calls}
    found = dict.fromkeys(calls, 0)
    for row in asked:
        for name, call in calls.items():
            began, used = time.perf_counter(), time.process_time()
            found[name] += len(call(row))
            processor_time[name].append(1000 * (time.process_time() - used))
            clock[name].append(1000 * (time.perf_counter() - began))
    for name, times in clock.items():
        p50, p95 = np.percentile(times, [50, 95])
        base = np.median(clock[f"{name.split(',')[0]}, unfiltered"])
        told[f"{name} ms"] = (
            f"p50 {p50:.1f}, p95 {p95:.1f}; processor {np.median(processor_time[name]):.1f}; "
            f"{p50 / base:.2f} x unfiltered; {found[name] / len(asked):.1f} rows"
        )
    after = memory()
    told["own B/image"] = round((after["own"] - before["own"]) / rows)
    told["mapped and touched B/image"] = round((after["mapped"] - before["mapped"]) / rows)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--searches", type=int, default=60)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--postgresql", metavar="NAME")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        set_up(options)
        print(json.dumps(PARTS[options.part](options)))
        return
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"Django {django.__version__}, numpy {np.__version__}, "
        f"{'PostgreSQL' if options.postgresql else 'SQLite'}; seed {options.seed}, "
        f"{options.searches} searches of each kind, limit {LIMIT}"
    )
    for rows in options.rows:
        print(f"\n{rows:,} rows")
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(options.folder or temporary) / str(rows)
            folder.mkdir(parents=True, exist_ok=True)
            for part in PARTS:
                command = [sys.executable, "-m", "benchmarks.filters", str(options.photos)]
                command += ["--part", part]
                command += ["--folder", str(folder), "--rows", str(rows)]
                command += ["--seed", str(options.seed), "--searches", str(options.searches)]
                command += ["--postgresql", options.postgresql] if options.postgresql else []
                print_part(command)


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {"fill": fill, "search": search}

if __name__ == "__main__":
    main()
