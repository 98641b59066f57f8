"""How long searches and the search for all pairs take from the table to the answer, by size.

    python benchmarks/whole.py [--images 10000 100000] [--seed 1] [--queries 200]
        [--folder FOLDER] [--pairs] [--postgresql NAME]

The images are made up (see synthetic.py); one of 100 has a near-copy, a third of them each kind
of ``COPIES``. They are rows of an SQLite file in FOLDER, which is kept and used again if given;
or of the PostgreSQL database NAME, which must be there and empty or filled by this script. Then
one process reads all rows and writes a snapshot and blocks; one has only the blocks, and searches
while it reads the rows; and another has the snapshot and searches: by the ids of images that have a
copy, ``stored``, and with what a file would give, ``file`` (four words for each feature; what
reading and describing a file takes is not in it). ``--pairs`` also yields all pairs;
beside it, as many random 64-bit hashes are compared, each with all others, by numpy and, if it is
installed, by imagededup's ``find_duplicates`` (its default way, and as many processes as it takes).

One thread: printed are the times on the clock, and of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import django
import numpy as np
import synthetic
from django.conf import settings
from search import COPIES, memory, print_part, processor

from django_visualsnoop.common.search_options import SearchOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from django_visualsnoop.engine.gallery import Gallery

LIMIT = 20


def set_up(options: argparse.Namespace) -> None:
    database = (
        {"ENGINE": "django.db.backends.postgresql", "NAME": options.postgresql}
        | {"HOST": "127.0.0.1", "USER": "postgres"}
        if options.postgresql
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": options.folder / "whole.sqlite3"}
    )
    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=["django_visualsnoop.engine"],
        USE_TZ=True,
    )
    django.setup()


def gallery(options: argparse.Namespace, *, cache: bool = True, early: bool = False) -> Gallery:
    from django_visualsnoop.engine.gallery import Gallery

    folder = str(options.folder / "cache") if cache else None
    return Gallery("default", "bench", cache=folder, early=early)


def contents(images: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield the id and the descriptor of each image, and of the copies."""
    dice = np.random.default_rng((seed, 9))
    for start, chunk in synthetic.chunks(images, seed):
        for number, content in enumerate(chunk.contents()):
            yield f"image-{start + number}", content
        for place in range(-start % 100, len(chunk.vectors), 100):
            cosine, kept = COPIES[kind_of(start + place)]
            copy = synthetic.copy_of(
                chunk, place, dice, cosine=cosine, kept=kept, near=0, seed=seed
            )
            yield f"copy-{start + place}", copy.descriptor().to_bytes()


def kind_of(number: int) -> str:
    return list(COPIES)[number // 100 % len(COPIES)]


def fill(options: argparse.Namespace) -> dict[str, Any]:
    """Write the rows, unless they are there."""
    from django.core.management import call_command
    from django.db import connection, transaction

    from django_visualsnoop.engine.descriptors.describe import VERSION
    from django_visualsnoop.engine.models import Collection, IndexedImage, key_of

    call_command("migrate", verbosity=0)
    (images,) = options.images
    if IndexedImage.objects.filter(image_id=f"image-{images - 1}").exists():
        return {}
    collection = Collection.objects.create(name="bench", key=key_of("bench"), seq=1)
    names = ["collection_id", "key", "image_id", "image_time", "vector", "version", "digest"]
    names += ["width", "height", "seq"]
    quoted = ", ".join(map(connection.ops.quote_name, names))
    insert = (
        f"INSERT INTO {IndexedImage._meta.db_table} ({quoted}) "
        f"VALUES ({', '.join(['%s'] * len(names))})"
    )
    some = []
    with transaction.atomic(), connection.cursor() as cursor:
        for number, (image_id, content) in enumerate(contents(images, options.seed)):
            row = [collection.pk, key_of(image_id), image_id, number, content, VERSION, ""]
            some.append([*row, 1, 1, 1])
            if len(some) == synthetic.CHUNK:
                cursor.executemany(insert, some)
                some.clear()
        cursor.executemany(insert, some)
    return {}


def load(options: argparse.Namespace) -> dict[str, Any]:
    """Search in a process that has to read all rows, and wait for its snapshot."""
    from django_visualsnoop.engine.search import search

    before = memory()["own"]
    began = time.perf_counter()
    # Not early, but it writes the blocks.
    view = gallery(options, early=not _has_blocks())._read_view()
    assert view is not None
    answered = time.perf_counter() - began
    probes = probe(options, 0, "easy")
    next(search(view, probes, min_score=0))
    searched = time.perf_counter() - began
    _join_threads()
    return {
        "rows read s": round(answered, 2),
        "first answer s": round(searched, 2),
        "with the snapshot written s": round(time.perf_counter() - began, 2),
        "own B/image": round((memory()["own"] - before) / options.images[0]),
    }


def _has_blocks() -> bool:
    from django_visualsnoop.engine.models import VectorBlock

    return VectorBlock.objects.exists()


def _join_threads() -> None:
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()


def early(options: argparse.Namespace) -> dict[str, Any]:
    """Search in a process that has no snapshot, but the blocks, if the collection is so large."""
    if not _has_blocks():
        return {}
    collection = gallery(options, cache=False, early=True)
    began = time.perf_counter()
    collection.search_by_id("image-0", SearchOptions(limit=LIMIT))
    answered = time.perf_counter() - began
    clock: list[float] = []
    found = 0
    numbers = range(0, options.images[0], 100)
    while any(thread.name == "visualsnoop-rows" for thread in threading.enumerate()):
        number = numbers[len(clock) % len(numbers)]
        asked = time.perf_counter()
        hits = collection.search_by_id(f"image-{number}", SearchOptions(limit=LIMIT)).hits
        clock.append(time.perf_counter() - asked)
        found += f"copy-{number}" in {one.image_id for one in hits}
    read = time.perf_counter() - began
    p50, p95 = np.percentile(clock, [50, 95]) * 1000 if clock else (0, 0)
    return {
        "first answer by blocks s": round(answered, 2),
        "until all rows are read s": round(read, 2),
        "meanwhile ms": f"p50 {p50:.1f}, p95 {p95:.1f}; {len(clock):,} queries, "
        f"found {100 * found / max(1, len(clock)):.1f} %",
        "most memory, all together, B/image": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / options.images[0]
        ),
    }


def probe(options: argparse.Namespace, number: int, kind: str) -> Any:
    """Return what is asked for a near-copy of a stored image that comes as a file."""
    from django_visualsnoop.engine.descriptors.describe import Probes, build_stored_probes
    from django_visualsnoop.engine.descriptors.local_features import mirror_words

    chunk = synthetic.chunk(0, min(options.images[0], synthetic.CHUNK), options.seed)
    dice = np.random.default_rng((options.seed, 11, number))
    cosine, kept = COPIES[kind]
    copy = synthetic.copy_of(
        chunk,
        number % len(chunk.vectors),
        dice,
        cosine=cosine,
        kept=kept,
        near=3,
        seed=options.seed,
    )
    probes = build_stored_probes(copy.descriptor())
    words = copy.features.words
    return Probes(probes.vectors, probes.pictures, [words, mirror_words(words)])


def search(options: argparse.Namespace) -> dict[str, Any]:
    from django_visualsnoop.engine import search as engine

    collection = gallery(options)
    (images,) = options.images
    before = memory()
    began = time.perf_counter()
    collection.search_by_id("image-0", SearchOptions(limit=LIMIT))
    result: dict[str, Any] = {"first answer s": round(time.perf_counter() - began, 3)}

    numbers = range(0, images, 100)
    dice = np.random.default_rng((options.seed, 12))
    asked = [numbers[int(place)] for place in dice.integers(0, len(numbers), options.queries)]

    def by_id(number: int) -> tuple[str, list[str]]:
        found = collection.search_by_id(f"image-{number}", SearchOptions(limit=LIMIT)).hits
        return f"copy-{number}", [one.image_id for one in found]

    result |= measured("stored", by_id, asked)

    places = dice.integers(0, min(images, synthetic.CHUNK), options.queries).tolist()
    probes = {place: probe(options, place, kind_of(100 * place)) for place in places[:60]}

    def by_file(place: int) -> tuple[str, list[str]]:
        view = collection._read_view()
        assert view is not None
        found = next(engine.search(view, probes[place], min_score=0))[:LIMIT]
        return f"image-{place}", [one.image_id for one in found]

    result |= measured("file", by_file, [place for place in places if place in probes])
    after = memory()
    result["own B/image"] = round((after["own"] - before["own"]) / images)
    result["mapped and touched B/image"] = round((after["mapped"] - before["mapped"]) / images)
    return result


def measured(
    name: str, ask: Callable[[int], tuple[str, list[str]]], numbers: list[int]
) -> dict[str, Any]:
    """Return the times of one kind of queries, and the share that found what it should."""
    clock, busy, right, others = [], [], 0, 0
    for number in numbers:
        cpu, began = time.process_time(), time.perf_counter()
        wanted, found = ask(number)
        clock.append(time.perf_counter() - began)
        busy.append(time.process_time() - cpu)
        right += wanted in found
        others += len(set(found) - {wanted})
    p50, p95 = np.percentile(clock, [50, 95]) * 1000
    p50_busy, p95_busy = np.percentile(busy, [50, 95]) * 1000
    return {
        f"{name} ms": f"p50 {p50:.2f}, p95 {p95:.2f}; of the processor {p50_busy:.2f}, "
        f"{p95_busy:.2f}; found {100 * right / len(numbers):.1f} %, others {others}"
    }


def imagededup_seconds(codes: NDArray[np.uint64]) -> float | None:
    """Return how long imagededup takes to find duplicates by these hashes, if it is installed."""
    try:
        from imagededup.methods import PHash
    except ImportError:
        return None
    encodings = {f"image-{number}": f"{code:016x}" for number, code in enumerate(codes.tolist())}
    began = time.perf_counter()
    PHash(verbose=False).find_duplicates(encoding_map=encodings, max_distance_threshold=10)
    return time.perf_counter() - began


def pairs(options: argparse.Namespace) -> dict[str, Any]:
    collection = gallery(options)
    (images,) = options.images
    collection.search_by_id("image-0", SearchOptions(limit=LIMIT))
    busy, began = time.process_time(), time.perf_counter()
    found = {(one.first_id, one.second_id) for one in collection.find_pairs()}
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    codes = np.random.default_rng(options.seed).integers(0, 2**64, images, dtype=np.uint64)
    began = time.perf_counter()
    for place in range(images):
        np.flatnonzero(np.bitwise_count(codes[place + 1 :] ^ codes[place]) <= 10)
    beside = time.perf_counter() - began
    by_imagededup = imagededup_seconds(codes)
    true = {(f"copy-{number}", f"image-{number}") for number in range(0, images, 100)}
    return {
        "pairs s": round(seconds, 2),
        "all pairs of 64-bit hashes, numpy, s": round(beside, 2),
        "the same by imagededup s": by_imagededup and round(by_imagededup, 2),
        "pairs of the processor s": round(busy, 2),
        "pairs": f"{len(found):,}; of the copies {100 * len(found & true) / len(true):.1f} %",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--postgresql", metavar="NAME")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        set_up(options)
        print(json.dumps(PARTS[options.part](options)))
        return
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"numpy {np.__version__}, {'PostgreSQL' if options.postgresql else 'SQLite'}; "
        f"seed {options.seed}, {options.queries} queries"
    )
    for images in options.images:
        print(f"\n{images:,} images")
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(options.folder or temporary) / str(images)
            folder.mkdir(parents=True, exist_ok=True)
            for part in PARTS:
                if part == "pairs" and not options.pairs:
                    continue
                command = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
                command += ["--images", str(images), "--seed", str(options.seed)]
                command += ["--queries", str(options.queries)]
                command += ["--postgresql", options.postgresql] if options.postgresql else []
                print_part(command)


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "fill": fill,
    "load": load,
    "early": early,
    "search": search,
    "pairs": pairs,
}

if __name__ == "__main__":
    main()
