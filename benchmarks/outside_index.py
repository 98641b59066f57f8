"""Candidates from an index outside the process beside those from memory, in one process.

    python benchmarks/outside_index.py PHOTOS [--images 100000] [--queries 300] [--seed 1]
        [--database postgresql://postgres@127.0.0.1/NAME] [--milvus URI] [--folder FOLDER] [--keep]

PHOTOS holds photographs, each a different scene. They are halved by a hash of their names. Those of
one half are stored, and their edited copies looked up, by the descriptor alone (as by the id of a
stored image), and by all that is described of a file. The other pictures stored are made up of the
other half: each has 128 features of its photographs, with noise (0.6 standard deviations of the 64
values before they become signs and words), so that words are as frequent as in photographs, and
have many look-alikes; its vector is that of two of them, with noise. The two indexes take turns at
each query.

Recall is the share of queries whose picture is among the candidates with a limit of 20, and of 100;
then the share where it is among those that a search compares, and how many those are.
Times are of ``find_candidates``; "verified" adds the comparison of the candidates, without reading
their rows. Bytes are those of all tables and
indexes on disk. NAME must be an empty database with the right to create the extension; what is in
it is deleted unless ``--keep`` is given. With URI, the address of a Milvus server, that is measured
instead of PostgreSQL. FOLDER keeps the made-up features for the next run.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django
import edits
import numpy as np
from django.conf import settings
from PIL import Image

from django_visualsnoop.engine.descriptors.describe import (
    Descriptor,
    build_probes,
    build_stored_probes,
    compute_vector,
    describe,
    invariant_first,
)
from django_visualsnoop.engine.descriptors.local_features import (
    compute_sift,
    encode_signs,
    find_near_words,
    project,
)
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.index.base import IndexEntry
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.matching.compare import compare_all
from django_visualsnoop.engine.search import build_candidate_query, select_worth_comparing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.index.base import Candidate, CandidateQuery

COLLECTION = "benchmrk"
NOISE = 0.6
FEATURES = 128
#: Noisy features that made-up pictures take theirs from, and bits of the code that each of them
#: flips, so that no two are equal.
POOL, FLIPPED = 2_000_000, 2
CROPS = 12
#: So many edits of a photograph become queries.
EDITS = 4
TOGETHER = 200


class Query(NamedTuple):
    image_id: str
    by_id: Probes
    by_file: Probes


def is_stored(path: Path) -> bool:
    return sha256(path.name.encode()).digest()[0] % 2 == 0


def read(path: Path) -> Image.Image:
    image = Image.open(path).convert("RGB")
    image.thumbnail((800, 800))
    return image


def build_pool(photos: Sequence[Path], seed: int) -> dict[str, NDArray[Any]]:
    """Return codes, words and vectors for made-up pictures."""
    dice = np.random.default_rng(seed)
    values, vectors = [], []
    for path in photos:
        pixels = np.asarray(read(path))
        for _ in range(CROPS):
            share = dice.uniform(0.4, 1, 2)
            height, width = (pixels.shape[:2] * share).astype(int)
            top = dice.integers(0, pixels.shape[0] - height + 1)
            left = dice.integers(0, pixels.shape[1] - width + 1)
            part = np.ascontiguousarray(pixels[top : top + height, left : left + width])
            values.append(project(compute_sift(part)[1]))
            vectors.append(compute_vector(part))
    real = np.concatenate(values)
    spread = real.std(axis=0) * np.float32(NOISE)
    codes, words = [], []
    for _ in range(0, POOL, 50_000):
        some = real[dice.integers(len(real), size=50_000)]
        some = some + spread * dice.standard_normal(some.shape, dtype=np.float32)
        codes.append(encode_signs(some))
        words.append(find_near_words(some)[:, 0])
    return {
        "codes": np.concatenate(codes),
        "words": np.concatenate(words),
        "vectors": np.stack(vectors),
    }


def make_up(pool: dict[str, NDArray[Any]], count: int, seed: int) -> Iterator[Descriptor]:
    dice = np.random.default_rng(seed + 1)
    unit = pool["vectors"].astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for start in range(0, count, 10_000):
        size = min(10_000, count - start)
        chosen = dice.integers(len(pool["codes"]), size=(size, FEATURES))
        codes, words = pool["codes"][chosen], pool["words"][chosen]
        for _ in range(FLIPPED):
            codes ^= np.uint64(1) << dice.integers(0, 64, codes.shape).astype(np.uint64)
        first, second = unit[dice.integers(len(unit), size=(2, size))]
        share = dice.uniform(0.35, 0.65, size=(size, 1)).astype(np.float32)
        mixed = share * first + (1 - share) * second
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        mixed += dice.normal(scale=0.8 / 16, size=mixed.shape)
        vectors = np.rint(mixed * 127 / np.abs(mixed).max(axis=1, keepdims=True)).astype(np.int8)
        places = np.zeros((FEATURES, 4), np.uint8)
        for number in range(size):
            yield Descriptor(vectors[number], codes[number], words[number], places)


def list_queries(photos: Sequence[Path], count: int, seed: int) -> list[Query]:
    files = []
    dice = np.random.default_rng(seed + 2)
    for path in dice.permutation(np.array(photos, dtype=object))[: -(-count // EDITS)]:
        every = list(edits.edited(read(path), f"{seed} {path.name}"))
        files += [(path.stem, every[k][1]) for k in dice.permutation(len(every))[:EDITS].tolist()]
    queries = []
    for image_id, content in files[:count]:
        pixels = decode(content).pixels
        queries.append(Query(image_id, build_stored_probes(describe(pixels)), build_probes(pixels)))
    return queries


def build_entry(number: int, image_id: str, descriptor: Descriptor) -> IndexEntry:
    return IndexEntry(number, image_id, descriptor.to_bytes(), "", None, number)


def percentiles(seconds: Sequence[float]) -> str:
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    return f"p50 {p50:6.1f}  p95 {p95:6.1f} ms"


def compare(
    name: str,
    queries: Sequence[tuple[str, CandidateQuery]],
    indexes: dict[str, Callable[[CandidateQuery], list[Candidate]]],
    verify: Callable[[int, list[Candidate]], object] | None = None,
) -> None:
    """Print recall and times of each index, which take turns."""
    seconds: dict[str, list[float]] = {one: [] for one in indexes}
    found: dict[str, int] = dict.fromkeys(indexes, 0)
    compared: dict[str, int] = dict.fromkeys(indexes, 0)
    number: dict[str, int] = dict.fromkeys(indexes, 0)
    for place, (image_id, query) in enumerate(queries):
        for index, find in indexes.items():
            begun = time.perf_counter()
            candidates = find(query)
            if verify is not None:
                verify(place, candidates)
            seconds[index].append(time.perf_counter() - begun)
            found[index] += any(one.image_id == image_id for one in candidates)
            worth_comparing = select_worth_comparing(candidates)
            compared[index] += image_id in worth_comparing
            number[index] += len(worth_comparing)
    medians = {index: float(np.median(some)) for index, some in seconds.items()}
    for index, some in seconds.items():
        ratio = medians[index] / medians["memory"]
        share, close = (100 * one[index] / len(queries) for one in (found, compared))
        print(
            f"{name:20} {index:9} {share:5.1f} %  compared {close:5.1f} % of "
            f"{number[index] / len(queries):4.0f}  {percentiles(some)}  {ratio:5.2f} x memory"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="postgresql://postgres@127.0.0.1/outside_index")
    parser.add_argument("--milvus")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    parts = urlsplit(options.database)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "HOST": parts.hostname,
        "PORT": parts.port or 5432,
        "USER": parts.username,
        "PASSWORD": parts.password or "",
    }
    databases = {} if options.milvus else {"default": database}
    settings.configure(DATABASES=databases, INSTALLED_APPS=[])
    django.setup()
    measure(options)


def create_index(options: argparse.Namespace) -> Any:
    if options.milvus:
        from django_visualsnoop.engine.index.milvus import MilvusIndex

        return MilvusIndex(options.milvus, prefix="benchmark", timeout=600)
    from django_visualsnoop.engine.index.pgvector import PgvectorIndex

    return PgvectorIndex("default")


def print_size(images: int) -> None:
    """Print what the tables in PostgreSQL take on disk."""
    from django.db import connection

    with connection.cursor() as cursor:
        sizes = []
        for table in ("image", "posting"):
            cursor.execute(f"VACUUM ANALYZE visualsnoop_index_{table}")
            cursor.execute(
                "SELECT pg_table_size(%s), pg_indexes_size(%s)",
                [f"visualsnoop_index_{table}"] * 2,
            )
            sizes += cursor.fetchone()
    each = [size / images for size in sizes]
    print(
        f"pgvector: {sum(each):,.0f} bytes an image (images {each[0]:,.0f} and indexes "
        f"{each[1]:,.0f}, postings {each[2]:,.0f} and index {each[3]:,.0f})"
    )


def measure(options: argparse.Namespace) -> None:
    photos = sorted(options.photos.glob("*.jpg"))
    stored = [path for path in photos if is_stored(path)]
    others = [path for path in photos if not is_stored(path)]
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, seed {options.seed}"
    )
    print(f"{len(stored)} photographs among {options.images:,} images")
    cached = options.folder and options.folder / f"pool-{options.seed}.npz"
    if cached and cached.exists():
        pool = dict(np.load(cached))
    else:
        pool = build_pool(others, options.seed)
        if cached:
            np.savez(cached, **pool)
    queries = list_queries(stored, options.queries, options.seed)
    entries = [
        build_entry(number, path.stem, describe(np.asarray(read(path))))
        for number, path in enumerate(stored, 1)
    ]
    made_up = make_up(pool, options.images - len(stored), options.seed)
    entries += [
        build_entry(number, f"made up {number}", one)
        for number, one in enumerate(made_up, len(stored) + 1)
    ]
    memory = DescriptorIndex(invariant_first())
    begun = time.perf_counter()
    for entry in entries:
        memory.put(entry.image_id, entry.descriptor or b"")
    len(memory)
    print(
        f"memory: built in {time.perf_counter() - begun:.0f} s, "
        f"{memory.nbytes / options.images:,.0f} bytes an image"
    )

    index = create_index(options)
    index.prepare()
    if index.count(COLLECTION) != len(entries):
        index.drop(COLLECTION)
        begun = time.perf_counter()
        for start in range(0, len(entries), TOGETHER):
            index.upsert(COLLECTION, entries[start : start + TOGETHER])
        written = time.perf_counter()
        index.maintain()
        print(
            f"{index.name}: written in {written - begun:.0f} s, "
            f"indexed in {time.perf_counter() - written:.0f} s"
        )
    if options.milvus:
        # Milvus Lite indexes only what has been flushed.
        index._connection.call("flush", index._names.images)
    else:
        print_size(options.images)

    indexes = {
        "memory": memory.find_candidates,
        index.name: lambda query: index.find_candidates(COLLECTION, query),
    }
    for one in queries[:20]:
        for find in indexes.values():
            find(build_candidate_query(one.by_file, 100))
    contents = {entry.image_id: entry.descriptor or b"" for entry in entries}
    for limit in (20, 100):
        for kind in ("by_id", "by_file"):
            asked = [
                (one.image_id, build_candidate_query(getattr(one, kind), limit)) for one in queries
            ]
            compare(f"{kind.replace('_', ' ')}, limit {limit}", asked, indexes)
        if limit == 100:
            for kind in ("by_id", "by_file"):
                probes = [getattr(one, kind) for one in queries]

                def verify(number: int, found: list[Candidate], some: Any = probes) -> None:
                    chosen = select_worth_comparing(found)
                    compare_all(some[number], [Descriptor.from_bytes(contents[k]) for k in chosen])

                asked = [
                    (one.image_id, build_candidate_query(getattr(one, kind), limit))
                    for one in queries
                ]
                compare(f"{kind.replace('_', ' ')}, verified", asked, indexes, verify)
    dice = np.random.default_rng(options.seed + 3)
    for share in (0.5, 0.01):
        asked = []
        passing = dice.random(len(entries)) < share
        some = {entry.image_id for entry, chosen in zip(entries, passing, strict=True) if chosen}
        allowed = frozenset(some | {path.stem for path in stored})
        asked = [(one.image_id, build_candidate_query(one.by_id, 100, allowed)) for one in queries]
        compare(f"by id, {share:.0%} pass", asked, indexes)

    seconds = []
    for path in stored[:20]:
        pixels = np.asarray(read(path))
        begun = time.perf_counter()
        describe(pixels)
        seconds.append(time.perf_counter() - begun)
    print(f"describing one (for comparison), {percentiles(seconds)}")
    seconds = []
    for number in range(200):
        entry = entries[len(stored) + number]
        changed = entry._replace(row_id=len(entries) + 1 + number, image_id=f"added {number}")
        begun = time.perf_counter()
        index.upsert(COLLECTION, [changed])
        seconds.append(time.perf_counter() - begun)
    print(f"{index.name}: adding and committing one, {percentiles(seconds)}")
    seconds = []
    for number in range(200):
        begun = time.perf_counter()
        index.delete(COLLECTION, [len(entries) + 1 + number])
        seconds.append(time.perf_counter() - begun)
    print(f"{index.name}: deleting and committing one, {percentiles(seconds)}")
    if not options.keep:
        index.drop(COLLECTION)
        index.maintain()


if __name__ == "__main__":
    main()
