"""How well edited copies are told from other pictures, beside perceptual hashes.

    python benchmarks/copies.py FOLDER              the table
    python benchmarks/copies.py FOLDER --calibrate  the constants of engine/calibration.py

FOLDER holds photographs, each a different scene. They are shuffled and halved:
whatever is chosen or fitted (``--calibrate``) sees one half only, the table is
made from the other. Of a half, two thirds are in the gallery and their edited
copies are looked up in it; the rest are distractors: their edited copies are
looked up, too, and match nothing. The table's gallery also holds the first half.

All methods see the same decoded pixels. uAP is the micro average precision
over all pairs of a query and a gallery image; R@P99 the share of the copies
that score above the lowest score at which 99 % of the pairs above are copies.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import PIL
from edits import edited
from PIL import Image

from django_visualsnoop.engine import calibration, describe
from django_visualsnoop.engine.decode import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

SEED = 20261123
PRECISION = 0.99
#: The share of copies among the pairs for which the similarity is a probability.
PRIOR = 0.001


@dataclass
class Method:
    name: str
    describe: Callable[[Pixels], Any]
    #: Scores of queries (rows) against the gallery (columns); larger is closer.
    compare: Callable[[list[Any], list[Any]], NDArray[np.float32]]
    bytes_per_photo: int
    #: What a query is turned into, if it is not what is stored.
    probes: Callable[[Pixels], Any] | None = None


def compare_vectors(queries: list[Any], gallery: list[Any]) -> Any:
    columns = describe.unit(np.stack(gallery)).T
    return np.stack([(describe.unit(probes) @ columns).max(axis=0) for probes in queries])


def compare_bits(queries: list[Any], gallery: list[Any]) -> Any:
    columns = np.stack(gallery)
    return -np.stack([(query ^ columns).sum(axis=1) for query in queries]).astype(np.float32)


def methods() -> list[Method]:
    def ours(name: str, probes: Callable[[Pixels], Any]) -> Method:
        return Method(name, describe.describe, compare_vectors, describe.DIMENSIONS, probes)

    engine = [
        ours(f"engine, version {describe.VERSION}", describe.probes),
        ours("engine, by id", lambda pixels: describe.turns(describe.describe(pixels))),
        ours("engine, one probe", lambda pixels: describe.describe(pixels)[None]),
    ]
    try:
        import imagehash
    except ImportError:
        print("imagehash is not installed: no peers")
        return engine

    def hashed(function: Callable[..., Any], size: int) -> Callable[[Pixels], Any]:
        return lambda pixels: function(Image.fromarray(pixels), hash_size=size).hash.ravel()

    return engine + [
        Method(
            f"imagehash {name} {size * size} bits",
            hashed(function, size),
            compare_bits,
            size * size // 8,
        )
        for name, function, size in (
            ("phash", imagehash.phash, 16),
            ("dhash", imagehash.dhash, 16),
            ("phash", imagehash.phash, 8),
        )
    ]


@dataclass
class Task:
    gallery: list[Pixels]
    queries: list[Pixels]
    families: list[str]
    #: By query: the place of its original in the gallery; -1 for distractors.
    sources: NDArray[np.intp]

    @classmethod
    def of(cls, photos: list[Path], filler: list[Path]) -> Task:
        present = len(photos) * 2 // 3
        gallery = [pixels_of(path.read_bytes()) for path in photos[:present] + filler]
        queries, families, sources = [], [], []
        for number, path in enumerate(photos):
            with Image.open(path) as opened:
                original = opened.convert("RGB")
            for family, content in edited(original, f"{SEED} {path.name}"):
                queries.append(pixels_of(content))
                families.append(family)
                sources.append(number if number < present else -1)
        return cls(gallery, queries, families, np.array(sources))

    def scores(self, method: Method) -> tuple[NDArray[np.float32], float]:
        start = time.perf_counter()
        gallery = [method.describe(pixels) for pixels in self.gallery]
        took = (time.perf_counter() - start) / len(gallery)
        probes = method.probes or method.describe
        queries = [probes(pixels) for pixels in self.queries]
        return method.compare(queries, gallery), took

    def truth(self) -> NDArray[np.bool_]:
        truth = np.zeros((len(self.queries), len(self.gallery)), dtype=bool)
        copies = np.flatnonzero(self.sources >= 0)
        truth[copies, self.sources[copies]] = True
        return truth


def pixels_of(content: bytes) -> Pixels:
    return decode(content).pixels


def curve(scores: Any, truth: Any) -> tuple[Any, Any, Any]:
    """Return precision and recall at each distinct score, and these scores, highest first."""
    order = np.argsort(-scores.ravel(), kind="stable")
    ranked, right = scores.ravel()[order], truth.ravel()[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    found = np.cumsum(right)[last]
    return found / (last + 1), found / right.sum(), ranked[last]


def average_precision(precision: Any, recall: Any) -> float:
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def threshold_at(precision: Any, scores: Any) -> float:
    good = np.flatnonzero(precision >= PRECISION)
    return float(scores[good[-1]]) if good.size else float("inf")


def table(task: Task) -> None:
    truth = task.truth()
    families = list(dict.fromkeys(task.families))
    names = np.array(task.families)
    columns: dict[str, list[str]] = {"": ["uAP", "R@P99", *families, "ms, describing", "bytes"]}
    for method in methods():
        scores, seconds = task.scores(method)
        precision, recall, levels = curve(scores, truth)
        threshold = threshold_at(precision, levels)
        copies = np.flatnonzero(task.sources >= 0)
        found = scores[copies, task.sources[copies]] >= threshold
        columns[method.name] = [
            f"{average_precision(precision, recall):.3f}",
            f"{found.mean():.3f}",
            *(f"{found[names[copies] == family].mean():.3f}" for family in families),
            f"{seconds * 1000:.1f}",
            str(method.bytes_per_photo),
        ]
        if method.probes is describe.probes:
            at_default(task, scores, truth)
    widths = [max(len(name), *map(len, cells)) for name, cells in columns.items()]
    for row in zip(*([name, *cells] for name, cells in columns.items()), strict=True):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def at_default(task: Task, scores: Any, truth: Any) -> None:
    threshold = calibration.score_at(calibration.DEFAULT_MIN_SIMILARITY)
    false = (scores >= threshold) & ~truth
    print(
        f"at the default threshold (cosine {threshold:.3f}): {int(false.sum())} of "
        f"{int((~truth).sum())} pairs of other pictures match "
        f"({int(false.any(axis=1).sum())} of {len(scores)} queries); copies found:"
    )
    names = np.array(task.families)
    copies = np.flatnonzero(task.sources >= 0)
    found = scores[copies, task.sources[copies]] >= threshold
    for family in dict.fromkeys(task.families):
        print(f"    {family:15}{found[names[copies] == family].mean():.3f}")


def calibrate(task: Task) -> None:
    """Fit a logistic by Newton's method, copies weighted so that they are PRIOR of all pairs."""
    scores, _ = task.scores(methods()[0])
    truth = task.truth().ravel()
    values = scores.ravel().astype(np.float64)
    weights = np.where(truth, PRIOR / truth.mean(), (1 - PRIOR) / (1 - truth.mean()))
    inputs = np.stack([values, np.ones_like(values)], axis=1)
    fitted = np.array([10.0, -6.0])
    for _ in range(100):
        chance = 1 / (1 + np.exp(-(inputs @ fitted)))
        slope = inputs.T @ (weights * (truth - chance))
        bend = (inputs * (weights * chance * (1 - chance))[:, None]).T @ inputs
        step = np.linalg.solve(bend, slope)
        fitted += step
        if np.abs(step).max() < 1e-9:
            break
    print(f"SLOPE = {fitted[0]:.2f}")
    print(f"CENTRE = {-fitted[1] / fitted[0]:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calibrate", action="store_true", help="fit calibration.py's constants")
    arguments = parser.parse_args()
    photos = sorted(path for path in arguments.folder.iterdir() if path.is_file())
    random.Random(SEED).shuffle(photos)
    fitting, testing = photos[: len(photos) // 2], photos[len(photos) // 2 :]
    task = Task.of(fitting, []) if arguments.calibrate else Task.of(testing, fitting)
    copies = int((task.sources >= 0).sum())
    print(
        f"{len(photos)} photos; gallery {len(task.gallery)}, {copies} edited copies of "
        f"{len(set(task.sources.tolist()) - {-1})} of them, {len(task.queries) - copies} edited "
        f"distractors; seed {SEED}"
    )
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, Pillow {PIL.__version__}, "
        f"{platform.machine()}, {os.cpu_count()} cores"
    )
    if arguments.calibrate:
        calibrate(task)
    else:
        table(task)


if __name__ == "__main__":
    main()
