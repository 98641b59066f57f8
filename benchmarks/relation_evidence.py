"""What each kind of evidence adds to telling copies from look-alikes, on labelled real pairs.

    python -m benchmarks.relation_evidence FOLDER --labels FILE … [--snapshots FOLDER]

The labels are those of real_gallery.py, and its clones in FOLDER serve here, too. Both pictures of
each pair are described again and compared: by features and vectors alone; with each of the other
kinds of evidence alone beside these; and with all of them. Printed is, by label, the share of
pairs that are called copies at the default threshold. Pairs that the features do not call copies
stay in: they show what the others cannot bring back.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2

from benchmarks.gallery.labels import LABELS, LabelledPair, read_labels
from benchmarks.measures import wilson_interval
from django_visualsnoop.common.search_options import COPY, SHOT, VARIANT
from django_visualsnoop.engine.descriptors.describe import build_stored_probes, describe
from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.engine.images.capture import tell_apart
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.closer_look import look_closer
from django_visualsnoop.engine.matching.compare import compare
from django_visualsnoop.engine.training.repositories import (
    list_files,
    open_repository,
    read_blobs,
)

#: Names of the columns, and of the evidence that each adds to features and vectors.
COLUMNS = ("features", "capture times", "thumbnails", "differences", "parallax", "all")


class Called(NamedTuple):
    """A labelled pair, and by which evidence it is called a copy, in the order of ``COLUMNS``."""

    label: str
    copies: tuple[bool, ...]


def judge(task: tuple[str, bytes, bytes]) -> Called | None:
    """Return what each kind of evidence says; ``None`` if the engine refuses a file."""
    label, *contents = task
    cv2.setNumThreads(1)
    try:
        pictures = [decode(content) for content in contents]
    except DecodeError:
        return None
    first, second = (
        describe(picture.pixels, sha256(content).digest())
        for picture, content in zip(pictures, contents, strict=True)
    )
    # As for all pairs: the surer of both directions.
    both = [
        compare(build_stored_probes(one), other)
        for one, other in ((first, second), (second, first))
    ]
    features = max(found.score for found in both) >= 0
    thumbnails = max(found.relation.copy_score for found in both) >= 0
    apart = tell_apart(pictures[0].capture, pictures[1].capture)
    look = look_closer(pictures[0].pixels, pictures[1].pixels)
    differs = look is not None and look.relation == VARIANT
    moved = look is not None and look.relation == SHOT
    return Called(
        label,
        (
            features,
            features and not apart,
            thumbnails,
            features and not differs,
            features and not moved,
            thumbnails and not apart and not differs and not moved,
        ),
    )


def read_pairs(
    labelled: list[LabelledPair], snapshots: Path | None, clones: Path
) -> list[tuple[str, bytes, bytes]]:
    """Return the label and both files of each pair whose files are there and differ."""
    contents: dict[tuple[str, str], bytes] = {}
    for repository in sorted({side[0] for pair in labelled for side in pair.sides}):
        folder = open_repository(repository, snapshots=snapshots, clones=clones)
        blobs = {file.path: file.blob for file in list_files(folder, repository)}
        wanted = {side[1] for pair in labelled for side in pair.sides if side[0] == repository}
        paths = sorted(wanted & blobs.keys())
        for path, content in zip(
            paths, read_blobs(folder, [blobs[path] for path in paths]), strict=True
        ):
            if content is not None:
                contents[repository, path] = content
    tasks = []
    for pair in labelled:
        files = [contents[side] for side in pair.sides if side in contents]
        if len(set(files)) == 2:
            tasks.append((pair.label, *files))
    return tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the clones that real_gallery.py made")
    parser.add_argument("--labels", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--snapshots", type=Path, help="git directories OWNER+NAME/repo")
    options = parser.parse_args()
    tasks = read_pairs(read_labels(options.labels), options.snapshots, options.folder / "clones")
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        judged = [one for one in pool.map(judge, tasks, chunksize=4) if one is not None]
    sizes = Counter(one.label for one in judged)
    print(f"pairs of each label that are called copies, by evidence; {len(judged)} pairs")
    print(f"{'':10}{'pairs':>6}  " + "".join(f"{name:20}" for name in COLUMNS).rstrip())
    for label in LABELS:
        if not sizes[label]:
            continue
        labelled = [one.copies for one in judged if one.label == label]
        counts = [sum(column) for column in zip(*labelled, strict=True)]
        cells = []
        for count in counts:
            low, high = wilson_interval(count, sizes[label])
            cells.append(f"{f'{count} ({low:.2f}-{high:.2f})':20}")
        print(f"{label:10}{sizes[label]:6}  " + "".join(cells).rstrip())
    line = f"{'precision':18}"
    for column in range(len(COLUMNS)):
        called = [one.label == COPY for one in judged if one.copies[column]]
        line += f"{f'{sum(called)}/{len(called)} {sum(called) / max(1, len(called)):.3f}':20}"
    print(line.rstrip())


if __name__ == "__main__":
    main()
