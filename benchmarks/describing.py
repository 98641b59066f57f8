"""How much processor time describing a picture takes, beyond decoding it, and on what.

    python benchmarks/describing.py FOLDER [--photos 60] [--repeats 7]

FOLDER holds photographs. One thread: each figure is the mean over the photographs of the least
time, over the repeats, that the processor took. ``Peak`` is the growth of the resident memory.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
from search import processor

from django_visualsnoop.engine.descriptors import global_features as views
from django_visualsnoop.engine.descriptors import local_features
from django_visualsnoop.engine.descriptors.describe import compute_vector, describe
from django_visualsnoop.engine.descriptors.descriptor import MAX_FEATURES
from django_visualsnoop.engine.images.decode import decode

if TYPE_CHECKING:
    from collections.abc import Callable

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=7)
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
            spent = []
            for _ in range(options.repeats):
                began = time.process_time()
                step()
                spent.append(time.process_time() - began)
            least.setdefault(name, []).append(min(spent))
    for name, values in least.items():
        middle, most = 1000 * np.mean(values), 1000 * max(values)
        print(f"  {name:20} {middle:6.2f} ms, at most {most:.2f}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"  Peak {grown:.0f} MiB")


if __name__ == "__main__":
    main()
