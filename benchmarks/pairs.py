"""How long it takes to find all pairs of a collection that may be copies, as it grows.

    python benchmarks/pairs.py [--images 10000 30000 100000 300000] [--seed 1]

The images are made up (see synthetic.py); one of 100 gets a near-copy, a third of them each
kind of ``COPIES``. Printed are the seconds of the join alone, the pairs that it names for a
closer look, the share of the copies among them by kind, the memory that the join added at
its peak, and the exponent by which the time grew from the size before.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import synthetic
from search import COPIES, processor

from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.memory.join import find_candidate_pairs
from django_visualsnoop.engine.search import PAIR_LIMITS


def filled(images: int, seed: int) -> tuple[DescriptorIndex, dict[tuple[str, str], str]]:
    """Return an index, and the kind of each pair of an image and its copy."""
    index = DescriptorIndex()
    dice = np.random.default_rng((seed, 9))
    copies = {}
    for start, chunk in synthetic.chunks(images, seed):
        for number, content in enumerate(chunk.contents()):
            index.put(f"image-{start + number}", content)
        for place in range(0, len(chunk.vectors), 100):
            kind = list(COPIES)[place // 100 % len(COPIES)]
            cosine, kept = COPIES[kind]
            copy = synthetic.copy_of(
                chunk, place, dice, cosine=cosine, kept=kept, near=0, seed=seed
            )
            index.put(f"copy-{start + place}", copy.descriptor().to_bytes())
            copies[f"copy-{start + place}", f"image-{start + place}"] = kind
    len(index)
    index.settle()
    return index, copies


def resident(key: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split(key + ":")[1].split()[0]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"numpy {np.__version__}; seed {options.seed}"
    )
    before: tuple[int, float] | None = None
    for images in options.images:
        index, copies = filled(images, options.seed)
        parts = index.list_parts()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        held = resident("VmRSS")
        found = dict.fromkeys(COPIES, 0)
        named = 0
        began = time.perf_counter()
        for pair in find_candidate_pairs(parts, PAIR_LIMITS):
            named += 1
            kind = copies.get((min(pair[:2]), max(pair[:2])))
            if kind:
                found[kind] += 1
        seconds = time.perf_counter() - began
        totals = {kind: sum(one == kind for one in copies.values()) for kind in COPIES}
        recall = ", ".join(f"{kind} {100 * found[kind] / totals[kind]:.1f}" for kind in COPIES)
        peak = (resident("VmHWM") - held) / 2**20
        grown = (
            f", exponent {math.log(seconds / before[1]) / math.log(images / before[0]):.2f}"
            if before
            else ""
        )
        print(
            f"{images:9,} images: {seconds:7.2f} s, {named:,} pairs, recall % {recall}, "
            f"{peak:.0f} MiB{grown}",
            flush=True,
        )
        before = images, seconds


if __name__ == "__main__":
    main()
