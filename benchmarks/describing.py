"""How much processor time describing a picture takes, beyond decoding it, and on what.

    python benchmarks/describing.py FOLDER [--photos 60] [--repeats 7] [--search 400 10000]

FOLDER holds photographs. One thread: each figure is the mean over the photographs of the least
time, over the repeats, that the processor took. ``Peak`` is the growth of the resident memory.

With ``--search``, a collection in an SQLite file, with the options of a new project, holds all
photographs of FOLDER and made-up images (see synthetic.py), so many together. The script then
searches with the files of the photographs and by their ids, and adds the files again.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import synthetic
from search import processor

from django_visualsnoop.common.batches import batched
from django_visualsnoop.engine.descriptors import global_features as views
from django_visualsnoop.engine.descriptors import local_features
from django_visualsnoop.engine.descriptors.describe import compute_vector, describe
from django_visualsnoop.engine.descriptors.descriptor import MAX_FEATURES, VERSION
from django_visualsnoop.engine.images.decode import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django_visualsnoop.collections.local import LocalCollection
    from django_visualsnoop.engine.images.decode import Pixels


def steps(pixels: Pixels) -> dict[str, Callable[[], object]]:
    """Return what is measured of one photograph; the later ones are parts of the first."""
    detector = cv2.SIFT.create(contrastThreshold=local_features._CONTRAST)
    grey = local_features._scale_to_side(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    found = detector.detect(grey, None)
    strengths = np.array([one.response for one in found])
    places = local_features._select_spread(
        cv2.KeyPoint.convert(found), strengths, grey.shape, MAX_FEATURES
    )
    kept = [found[place] for place in places]
    values = local_features.project(detector.compute(grey, kept)[1]) if kept else None
    parts: dict[str, Callable[[], object]] = {
        "all": lambda: describe(pixels),
        "vector": lambda: compute_vector(pixels),
        "views of the vector": lambda: views.compute_global_features(pixels),
        "local features": lambda: local_features.compute_local_features(pixels),
        "scaling": lambda: local_features._scale_to_side(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)),
        "OpenCV's detect": lambda: detector.detect(grey, None),
    }
    if values is not None:
        parts["OpenCV's compute"] = lambda: detector.compute(grey, kept)
        parts["words"] = lambda: local_features.find_near_words(values)
    return parts


def create_collection(folder: Path) -> LocalCollection:
    """Return an empty collection in an SQLite file in a folder."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.configure(
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3"}
        },
        INSTALLED_APPS=["django_visualsnoop", "django_visualsnoop.engine"],
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django_visualsnoop.collections.local import LocalCollection

    return LocalCollection("bench", {})


def fill(collection: LocalCollection, images: int, made_up: int) -> int:
    """Add made-up images until there are so many; return how many of them are made up."""
    from django_visualsnoop.engine.storage.values import NewImage

    contents = (content for _, chunk in synthetic.chunks(images, 1) for content in chunk.contents())
    new = (
        NewImage(f"made up {number}", content, VERSION, "", 500, 375)
        for number, content in enumerate(islice(contents, made_up, images), made_up)
    )
    for some in batched(new, 500):
        collection._gallery.store.put(some)
    return max(made_up, images)


def search(
    paths: Sequence[Path], chosen: Sequence[Path], sizes: Sequence[int], repeats: int
) -> None:
    """Print how long searches take, and adding the same files."""
    with tempfile.TemporaryDirectory() as folder:
        collection = create_collection(Path(folder))
        for path in paths:
            collection.add_image(path.read_bytes(), path.name)
        made_up = 0
        for size in sizes:
            made_up = fill(collection, size - len(paths), made_up)
            print(f"  among {size:,} images, of which {len(paths)} are photographs")
            spent: dict[str, list[float]] = {}
            for path in chosen:
                for name, step in collection_steps(collection, path).items():
                    step()  # reads what the one before has changed
                    spent.setdefault(name, []).append(measure(step, repeats))
            for name, values in spent.items():
                p50, p95 = 1000 * np.percentile(values, (50, 95))
                mean = 1000 * np.mean(values)
                print(f"  {name:20} {mean:6.2f} ms, p50 {p50:.2f}, p95 {p95:.2f}")
            ratio = sum(spent["search with a file"]) / sum(spent["adding"])
            print(f"  a search with a file takes {ratio:.2f} times as long as adding it")


def collection_steps(collection: LocalCollection, path: Path) -> dict[str, Callable[[], object]]:
    content = path.read_bytes()
    return {
        "adding": lambda: collection.add_image(content, path.name, update_existing=True),
        "search with a file": lambda: collection.search_images(content),
        "search by id": lambda: collection.search_images_by_id(path.name),
    }


def measure(step: Callable[[], object], repeats: int) -> float:
    """Return the least time that the processor took, in seconds."""
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        step()
        spent.append(time.process_time() - began)
    return min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--search", type=int, nargs="*", default=[], metavar="IMAGES")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.iterdir() if path.is_file())
    chosen = paths[:: max(1, len(paths) // options.photos)][: options.photos]
    cv2.setNumThreads(1)
    photos = [decode(path.read_bytes()).pixels for path in chosen]
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, numpy "
        f"{np.__version__}, OpenCV {cv2.__version__}; {len(photos)} photographs, "
        f"{options.repeats} repeats"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    least: dict[str, list[float]] = {}
    for pixels in photos:
        for name, step in steps(pixels).items():
            least.setdefault(name, []).append(measure(step, options.repeats))
    for name, values in least.items():
        middle, most = 1000 * np.mean(values), 1000 * max(values)
        print(f"  {name:20} {middle:6.2f} ms, at most {most:.2f}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"  Peak {grown:.0f} MiB")
    if options.search:
        search(paths, chosen, options.search, options.repeats)


if __name__ == "__main__":
    main()
