"""How far neighbouring parts move against each other, in copies and in other shots.

    python -m benchmarks.parallax FOLDER [--snapshots FOLDER] [--labels FILE …] [--pairs 300]
        [--pictures 5] [--seed 11]

The bounds of ``matching/parallax.py`` were chosen by these figures: of pairs of pictures of public
repositories whose relation is known by file names or equal pixels
(``gallery/relation_pairs.tsv.xz``), up to ``--pairs`` of each repository and relation; and of
pictures of these pairs, ``--pictures`` of each repository, edited as the models are fitted to, and
bent a little. Of the edited ones, only those that the engine calls copies without a closer look
count; with ``--pairs 0``, only these are measured. ``--labels`` names labelled pairs that are to be
measured elsewhere: these are left out, and edits of their pictures, too. FOLDER holds the clones
that real_gallery.py made.

Printed are the number of pairs; how many of them have enough details to tell; how many are two
shots; and the largest movement, in pixels, of all that can be told, and of those that are certain.
"""

from __future__ import annotations

import argparse
import csv
import lzma
import random
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from benchmarks.gallery.labels import read_labels
from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.descriptors.describe import build_stored_probes, describe
from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.compare import compare
from django_visualsnoop.engine.matching.overlay import find_full_features, find_map, place_over
from django_visualsnoop.engine.matching.parallax import CERTAIN, measure_parallax
from django_visualsnoop.engine.training.alter import draw_light_edits
from django_visualsnoop.engine.training.augment import edit, reencode
from django_visualsnoop.engine.training.perturb import disfigure
from django_visualsnoop.engine.training.repositories import (
    list_files,
    open_repository,
    read_blobs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.parallax import Parallax

    Pixels = NDArray[np.uint8]
    #: Repository and path.
    Side = tuple[str, str]

PAIRS = Path(__file__).parent / "gallery" / "relation_pairs.tsv.xz"
#: Edits of each picture, of each strength.
LIGHT, MILD = 14, 4
#: Bends: parts of a picture that move on their own, across and down, and how far, as a share of the
#: longer side.
BENDS = [(parts, far) for parts in (2, 3, 4, 5) for far in (0.003, 0.006)]


class KnownPair(NamedTuple):
    sides: tuple[Side, Side]
    relation: str


class Reader:
    """Reads and decodes pictures of the repositories."""

    def __init__(self, snapshots: Path | None, clones: Path) -> None:
        self._snapshots = snapshots
        self._clones = clones
        self._listed: dict[str, tuple[Path, dict[str, str]]] = {}

    def read(self, side: Side) -> Pixels | None:
        """Return a picture, or ``None`` if the engine refuses it."""
        repository, path = side
        if repository not in self._listed:
            folder = open_repository(repository, snapshots=self._snapshots, clones=self._clones)
            files = {file.path: file.blob for file in list_files(folder, repository)}
            self._listed[repository] = folder, files
        folder, files = self._listed[repository]
        if path not in files:
            return None
        (content,) = read_blobs(folder, [files[path]])
        try:
            return None if content is None else decode(content).pixels
        except DecodeError:
            return None


def read_pairs(without: set[frozenset[Side]]) -> list[KnownPair]:
    """Return the pairs of unequal files with a known relation but some."""
    with lzma.open(PAIRS, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    pairs = []
    for row in rows:
        sides = (
            (row["repository"], row["path"]),
            (row["other_repository"], row["other_path"]),
        )
        if row["sha256"] != row["other_sha256"] and frozenset(sides) not in without:
            pairs.append(KnownPair(sides, row["relation"]))
    return pairs


def measure(first: Pixels, second: Pixels) -> Parallax | None:
    found = find_map(find_full_features(first), find_full_features(second), first.shape[1])
    placed = None if found is None else place_over(first, second, found.matrix)
    return None if placed is None else measure_parallax(placed)


def bend(pixels: Pixels, parts: int, far: float, dice: Generator) -> Pixels:
    height, width = pixels.shape[:2]
    moves = far * max(height, width) * dice.normal(0, 1, (parts, parts, 2))
    moves = cv2.resize(moves.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    down, across = np.mgrid[:height, :width].astype(np.float32)
    bent = cv2.remap(
        pixels, across + moves[..., 0], down + moves[..., 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    return reencode(bent.astype(np.uint8), 80)


def draw_edits(pixels: Pixels, other: Pixels, dice: Generator) -> Iterator[tuple[str, Pixels]]:
    for edited in draw_light_edits(pixels, dice, LIGHT):
        yield "light edits", edited
    for _ in range(MILD):
        yield "up to three stronger edits", edit(pixels, dice)
    for edited in disfigure(pixels, other, dice):
        yield "heavy edits", edited
    for parts, far in BENDS:
        yield f"bent, {parts} x {parts} parts by {far}", bend(pixels, parts, far, dice)


def edit_all(pictures: list[Pixels], dice: Generator) -> Iterator[tuple[str, Parallax | None]]:
    """Yield the edit and the movement of each edited picture that is called a copy."""
    for number, pixels in enumerate(pictures):
        stored = describe(pixels)
        for name, edited in draw_edits(pixels, pictures[number - 1], dice):
            described = describe(edited)
            # As for all pairs: the surer of both directions.
            score = max(
                compare(build_stored_probes(one), other).relation.copy_score
                for one, other in ((stored, described), (described, stored))
            )
            if score >= 0:
                yield name, measure(pixels, edited)


def print_row(name: str, found: list[Parallax | None]) -> None:
    told = [one for one in found if one is not None]
    clear = sum(one.is_clear for one in told)
    most = max((one.moved for one in told), default=0.0)
    surely = max((one.moved for one in told if one.certainty >= CERTAIN), default=0.0)
    print(f"{name:56}{len(found):6}{len(told):6}{clear:6}{most:8.3f}{surely:8.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the clones that real_gallery.py made")
    parser.add_argument("--snapshots", type=Path, help="git directories OWNER+NAME/repo")
    parser.add_argument("--labels", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--pairs", type=int, default=300, help="of each repository and relation")
    parser.add_argument("--pictures", type=int, default=5, help="of each repository, to edit")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    reader = Reader(options.snapshots, options.folder / "clones")
    labelled = {frozenset(pair.sides) for pair in read_labels(options.labels)}
    pairs = read_pairs(labelled)
    dice = random.Random(options.seed)
    print(
        f"{'seed ' + str(options.seed):56}{'N':>6}{'told':>6}{'shots':>6}{'most':>8}{'surely':>8}"
    )
    by_kind: dict[tuple[bool, str, str], list[KnownPair]] = defaultdict(list)
    for pair in pairs:
        by_kind[pair.relation != COPY, pair.sides[0][0], pair.relation].append(pair)
    for (_, repository, relation), some in sorted(by_kind.items()):
        dice.shuffle(some)
        if not options.pairs:
            break
        found = []
        for pair in some[: options.pairs]:
            one, other = map(reader.read, pair.sides)
            if one is not None and other is not None:
                found.append(measure(one, other))
        print_row(f"{repository}, {relation}", found)
    names = {side for pair in labelled for side in pair}
    sides = sorted({side for pair in pairs for side in pair.sides} - names)
    dice.shuffle(sides)
    by_repository: dict[str, list[Side]] = defaultdict(list)
    for side in sides:
        by_repository[side[0]].append(side)
    chosen = [side for some in by_repository.values() for side in some[: options.pictures]]
    pictures = [pixels for side in chosen if (pixels := reader.read(side)) is not None]
    found_by_edit = defaultdict(list)
    for name, moved in edit_all(pictures, np.random.default_rng(options.seed)):
        found_by_edit[name].append(moved)
    for name, edited in found_by_edit.items():
        print_row(name, edited)


if __name__ == "__main__":
    main()
