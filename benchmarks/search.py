"""How long a search takes, by stage, and how much memory the index, as the collection grows.

    python benchmarks/search.py [--images 10000 100000 1000000] [--seed 1] [--queries 200]

The images are made up (see synthetic.py). For each size, one process fills an
index as from rows and writes a snapshot; another opens the snapshot and searches.
Three kinds of queries: ``stored``, as for a stored picture (the eight vectors of its turns, two
views of 128 features, one word each), ``file``, as for a file (four words for each feature), and
``framed``, for a file with a picture inside (twice as many vectors and views). Recall is
that of near-copies, among the 20 best of each stage.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# One thread, as in a worker of a web server.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import synthetic

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS
from django_visualsnoop.engine.index.base import CandidateQuery
from django_visualsnoop.engine.index.memory import snapshot
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex

LIMIT = 20
#: Near-copies: how close the vector is, and how many features are kept.
COPIES = {"easy": (0.8, 64), "cropped": (0.5, 40), "small": (0.2, 20)}


def memory() -> dict[str, int]:
    """Return bytes of this process: its own, and those of mapped files."""
    values = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, size, *_ = line.split()
        values[name.rstrip(":")] = int(size) * 1024
    return {"own": values["Anonymous"], "mapped": values["Rss"] - values["Anonymous"]}


def fill(images: int, seed: int, path: Path) -> dict[str, Any]:
    synthetic.chunk(0, 1, seed)
    start_memory = memory()
    index = DescriptorIndex()
    putting = 0.0
    for start, chunk in synthetic.chunks(images, seed):
        contents = [(f"image-{start + n}", content) for n, content in enumerate(chunk.contents())]
        began = time.perf_counter()
        for image_id, content in contents:
            index.put(image_id, content)
        putting += time.perf_counter() - began
    began = time.perf_counter()
    len(index)
    index.settle()
    finalize = time.perf_counter() - began
    del chunk, contents
    own = memory()["own"] - start_memory["own"]
    began = time.perf_counter()
    snapshot.write_snapshot(path, index.list_parts(), snapshot.Facts("bench", images, 0, []))
    writing = time.perf_counter() - began
    return {
        "put s": round(putting, 2),
        "merge s": round(finalize, 2),
        "own B/image": round(own / images),
        "write s": round(writing, 2),
        "file B/image": round(path.stat().st_size / images),
    }


def search(images: int, seed: int, path: Path, queries: int) -> dict[str, Any]:
    stored = synthetic.chunk(0, min(images, synthetic.CHUNK), seed)
    before = memory()
    began = time.perf_counter()
    index = DescriptorIndex()
    segment, _ = snapshot.open_snapshot(path)
    index.adopt(segment)
    opening = time.perf_counter() - began
    dice = np.random.default_rng((seed, 7))
    result: dict[str, Any] = {}
    for kind, pictures, views, near in (
        ("stored", 1, 2, 0),
        ("file", 1, 2, 3),
        ("framed", 2, 4, 3),
    ):
        times: dict[str, list[float]] = {"global": [], "votes": [], "both": []}
        spent: dict[str, list[float]] = {stage: [] for stage in times}
        found = {f"{name} {stage}": 0 for name in COPIES for stage in ("global", "votes", "either")}
        for number in range(queries):
            place = int(dice.integers(0, len(stored.vectors)))
            name = list(COPIES)[number % len(COPIES)]
            cosine, kept = COPIES[name]
            copy = synthetic.copy_of(
                stored, place, dice, cosine=cosine, kept=kept, near=near, seed=seed
            )
            others = [
                synthetic.copy_of(stored, place, dice, cosine=0.1, kept=0, near=near, seed=seed)
                for _ in range(views - 1)
            ]
            vectors = np.concatenate(
                [synthetic.turns(one.vector) for one in [copy, *others][:pictures]]
            )
            features = [one.features for one in [copy, *others][:views]]
            nothing = np.empty((0, DIMENSIONS), dtype=np.int8)
            hit = {}
            for stage, query in (
                ("global", CandidateQuery(vectors, [], LIMIT)),
                ("votes", CandidateQuery(nothing, features, LIMIT)),
                ("both", CandidateQuery(vectors, features, LIMIT)),
            ):
                busy, began = time.thread_time(), time.perf_counter()
                candidates = index.find_candidates(query)
                spent[stage].append(time.thread_time() - busy)
                times[stage].append(time.perf_counter() - began)
                hit[stage] = f"image-{place}" in {one.image_id for one in candidates}
                if kind == "stored" and not number:
                    result[f"open and search {stage} s"] = round(opening + times[stage][0], 3)
            for stage, key in (("global", "global"), ("votes", "votes"), ("both", "either")):
                found[f"{name} {key}"] += hit[stage]
        for stage, values in times.items():
            p50, p95, p99 = np.percentile(values, [50, 95, 99]) * 1000
            cpu = np.percentile(spent[stage], 50) * 1000
            result[f"{kind} {stage} ms"] = (
                f"p50 {p50:.2f} (of the processor {cpu:.2f}), p95 {p95:.2f}, p99 {p99:.2f}"
            )
        per = {name: len(range(n, queries, len(COPIES))) for n, name in enumerate(COPIES)}
        result[f"{kind} recall %"] = {
            key: round(100 * count / per[key.split()[0]], 1) for key, count in found.items()
        }
    after = memory()
    result["own B/image"] = round((after["own"] - before["own"]) / images)
    result["mapped and touched B/image"] = round((after["mapped"] - before["mapped"]) / images)
    return result


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def print_part(command: list[str]) -> None:
    """Run a part of a benchmark in a process of its own, and print the figures that it returns."""
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    for name, value in json.loads(answer.stdout).items():
        print(f"  {name:32} {value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument(
        "--folder", type=Path, help="for the snapshots; a temporary one if not given"
    )
    parser.add_argument("--part", choices=["fill", "search"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        path = options.folder / "bench.snapshot"
        (images,) = options.images
        part = (
            fill(images, options.seed, path)
            if options.part == "fill"
            else search(images, options.seed, path, options.queries)
        )
        print(json.dumps(part))
        return
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"numpy {np.__version__}; seed {options.seed}, {options.queries} queries of each kind"
    )
    for images in options.images:
        print(f"\n{images:,} images")
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for part in ("fill", "search"):
                command = [sys.executable, __file__, "--part", part, "--folder", folder]
                command += ["--images", str(images), "--seed", str(options.seed)]
                command += ["--queries", str(options.queries)]
                answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                for name, value in json.loads(answer.stdout).items():
                    print(f"  {name:32} {value}", flush=True)


if __name__ == "__main__":
    main()
