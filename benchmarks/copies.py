"""How well edited copies are told from other pictures, beside perceptual hashes.

    python benchmarks/copies.py FOLDER [--half 0|1] [--photos N] [--unseen | --later] [--filler N]
        [--show FOLDER] [--plot FILE.svg] [--no-peers]

FOLDER holds photographs, each a different scene. They are halved by a hash of
their names, so that parameters can be chosen on one half and figures reported
of the other. Two thirds of the half are stored, and their edited copies looked
up; the edited copies of the others match nothing. The gallery also holds the
other half. Ten photographs of the other half, which are not stored, are what
pictures are pasted onto.

All methods see the same decoded pixels. uAP is the micro average precision
over all pairs of a query and a gallery picture; R@P99 the share of the copies
that score above the lowest score at which 99 % of the pairs above are copies.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import edits
import numpy as np
import peers
import PIL
import synthetic
import unseen
from measures import calibration_error, interval, nearly_sure, plotted, quality, reliability
from PIL import Image

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors.descriptor import Descriptor, normalise
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.compare import compare_all
from django_visualsnoop.engine.search import build_candidate_query, select_worth_comparing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Edited = Callable[[Image.Image, str, Sequence[Image.Image]], Iterator[tuple[str, bytes]]]

SEED = 20261124
BACKGROUNDS = 10
#: Pictures that are verified by their vectors, in the stage before the last.
VERIFIED = 20
#: How the ids of made-up pictures start.
MADE_UP = "made up "


@dataclass
class Scores:
    """Of one method: queries x gallery."""

    name: str
    pairs: NDArray[np.float32]
    milliseconds: float
    bytes_per_photo: int
    #: How surely each is called a copy, not a variant or another shot; of the engine only.
    as_copies: NDArray[np.float32] | None = None


@dataclass
class Task:
    paths: list[Path]
    #: By gallery picture.
    gallery: list[Pixels] = field(default_factory=list)
    queries: list[bytes] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    #: By query: the place of its original in the gallery; -1 where it is not stored.
    sources: list[int] = field(default_factory=list)
    #: By query: the photograph.
    photos: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, photos: list[Path], filler: list[Path], edited: Edited) -> Task:
        present = len(photos) * 2 // 3
        behind = [Image.open(path).convert("RGB") for path in filler[:BACKGROUNDS]]
        task = cls([*photos[:present], *filler[BACKGROUNDS:]])
        task.gallery = [decode(path.read_bytes()).pixels for path in task.paths]
        for number, path in enumerate(photos):
            with Image.open(path) as opened:
                original = opened.convert("RGB")
            for family, content in edited(original, f"{SEED} {path.name}", behind):
                task.queries.append(content)
                task.families.append(family)
                task.sources.append(number if number < present else -1)
                task.photos.append(number)
        return task

    def truth(self) -> NDArray[np.bool_]:
        return np.array(self.sources)[:, None] == np.arange(len(self.gallery))[None, :]


def peer_scores(task: Task, peer: peers.Peer) -> Scores:
    started = time.process_time()
    gallery = np.stack([peer.describe(pixels) for pixels in task.gallery])
    took = (time.process_time() - started) / len(gallery)
    probes = peer.probes or peer.describe
    pairs = [peer.compare(probes(decode(one).pixels), gallery) for one in task.queries]
    return Scores(peer.name, np.stack(pairs), took * 1000, peer.bytes_per_photo)


def engine_scores(task: Task, filler: int) -> list[Scores]:
    """Return the scores of the engine's stages; the last is what searches answer.

    Args:
        task: see there.
        filler: so many made-up descriptors are candidates, too; only the last stage meets them.
    """
    started = time.process_time()
    stored = [describe.describe(pixels) for pixels in task.gallery]
    took = (time.process_time() - started) / len(stored) * 1000
    size = round(sum(len(one.to_bytes()) for one in stored) / len(stored))
    index = DescriptorIndex(describe.invariant_first())
    for place, descriptor in enumerate(stored):
        index.put(str(place), descriptor.to_bytes())
    made_up: list[bytes] = []
    for _, chunk in synthetic.chunks(filler, SEED):
        made_up += chunk.contents()
    for number, content in enumerate(made_up):
        index.put(f"{MADE_UP}{number}", content)
    vectors = normalise(np.stack([one.vector for one in stored])).T
    shape = len(task.queries), len(stored)
    one_probe, all_probes, verified, voted = (np.empty(shape, np.float32) for _ in range(4))
    as_copies = np.full(shape, calibration.UNRELATED, np.float32)
    spent = dict.fromkeys(("probes", "candidates", "comparing"), 0.0)
    compared = wrong = 0
    least = calibration.similarity_to_score(calibration.DEFAULT_MIN_SIMILARITY)
    for row, content in enumerate(task.queries):
        pixels = decode(content).pixels
        marks = [time.process_time()]
        probed = describe.build_probes(pixels)
        cosines = (normalise(probed.vectors) @ vectors).max(axis=0)
        marks.append(time.process_time())
        named = select_worth_comparing(
            index.find_candidates(build_candidate_query(probed, VERIFIED))
        )
        candidates = [one for one in named if not one.startswith(MADE_UP)]
        marks.append(time.process_time())
        one_probe[row] = normalise(probed.vectors[0]) @ vectors
        all_probes[row] = cosines
        by_vector = np.argsort(-cosines, kind="stable")[:VERIFIED]
        both = np.union1d(by_vector, np.array(candidates, dtype=np.intp))
        scores = compare_all(probed, [stored[place] for place in both.tolist()])
        found = {
            place: one.relation.score for place, one in zip(both.tolist(), scores, strict=True)
        }
        as_copies[row, both] = [one.relation.copy_score for one in scores]
        others = [
            Descriptor.from_bytes(made_up[int(one.removeprefix(MADE_UP))])
            for one in named
            if one.startswith(MADE_UP)
        ]
        wrong += sum(one.relation.score >= least for one in compare_all(probed, others))
        marks.append(time.process_time())
        # What is not compared comes after all that is, by its vector.
        verified[row] = voted[row] = cosines - 1000
        for place in map(int, candidates):
            voted[row, place] = found[place]
        verified[row, by_vector] = [found[place] for place in by_vector.tolist()]
        compared += len(found)
        for name, start, end in zip(spent, marks, marks[1:], strict=False):
            spent[name] += end - start
    print(f"engine, ms CPU: describing {took:.1f}; a query:", end=" ")
    print(", ".join(f"{name} {1000 * value / shape[0]:.1f}" for name, value in spent.items()))
    print(f"    comparing a pair: {1000 * spent['comparing'] / compared:.2f}")
    if filler:
        print(f"    {filler} made-up pictures beside them, found {wrong} times")
    return [
        Scores("vector, 1 probe", one_probe, took, describe.DIMENSIONS),
        Scores("vector, probes", all_probes, took, describe.DIMENSIONS),
        Scores("+ 20 verified", verified, took, size),
        Scores("engine", voted, took, size, as_copies),
    ]


def report(task: Task, all_scores: list[Scores]) -> None:
    truth = task.truth()
    names, photos = np.array(task.families), np.array(task.photos)
    copies = np.flatnonzero(np.array(task.sources) >= 0)
    originals = np.array(task.sources)[copies]
    families = list(dict.fromkeys(task.families))
    columns: dict[str, list[str]] = {"": ["uAP", "R@P99", *families, "ms, describing", "bytes"]}
    for scores in all_scores:
        measured = quality(scores.pairs.ravel(), truth.ravel())
        found = scores.pairs[copies, originals] >= measured.threshold
        cells = [f"{measured.average_precision:.4f}", _recall(found, photos[copies])]
        for family in families:
            inside = names[copies] == family
            cells.append(_recall(found[inside], photos[copies][inside]))
        columns[scores.name] = [
            *cells,
            f"{scores.milliseconds:.1f}",
            str(scores.bytes_per_photo),
        ]
    widths = [max(len(name), *map(len, cells)) for name, cells in columns.items()]
    for row in zip(*([name, *cells] for name, cells in columns.items()), strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def _recall(found: NDArray[np.bool_], photos: NDArray[np.intp]) -> str:
    low, high = interval(found, photos, SEED)
    return f"{found.mean():.3f} ({low:.2f}-{high:.2f})"


def calibrated(task: Task, scores: Scores, plot: Path | None) -> None:
    """Print, and draw, whether the engine's similarity is the probability that it says."""
    truth = task.truth()
    compared = scores.pairs > -500
    chances = np.array(
        [calibration.score_to_similarity(float(one)) for one in scores.pairs[compared]]
    )
    so = truth[compared]
    print(f"\ncalibration, of {len(so)} pairs compared; ECE {calibration_error(chances, so):.4f}")
    some = chances >= 0.05
    print(f"of the {int(some.sum())} said to be .05 or more: ECE", end=" ")
    print(f"{calibration_error(chances[some], so[some]):.4f}")
    print("    pairs     said    so")
    for count, said, right in reliability(chances, so):
        print(f"    {count:7}   {said:.3f}   {right:.3f}")
    if plot:
        plot.write_text(plotted(reliability(chances, so)))
    near = nearly_sure(chances)
    if near.any():
        print(f"    said .85 to .95: {int(near.sum())}, of which {so[near].mean():.3f} are copies")
    least = calibration.similarity_to_score(calibration.DEFAULT_MIN_SIMILARITY)
    false = (scores.pairs >= least) & ~truth
    copies = np.flatnonzero(np.array(task.sources) >= 0)
    sources = np.array(task.sources)[copies]
    hits = scores.pairs[copies, sources] >= least
    print(f"at the default threshold: recall {hits.mean():.4f}; something false in", end=" ")
    print(f"{int(false.any(axis=1).sum())} of {len(truth)} queries")
    if scores.as_copies is not None:
        called = scores.as_copies >= least
        print(f"    called copies: {called[copies, sources].mean():.4f} of the copies;", end=" ")
        print(f"others in {int((called & ~truth).any(axis=1).sum())} queries")


def show(task: Task, scores: Scores, folder: Path, count: int = 10) -> None:
    """Write the worst misses and the worst false copies: query left, stored picture right."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = task.truth()
    right = np.where(truth, scores.pairs, np.inf)
    wrong = np.where(truth, -np.inf, scores.pairs)
    misses = [(row, int(right[row].argmin())) for row in np.argsort(right.min(axis=1))[:count]]
    false = [(row, int(wrong[row].argmax())) for row in np.argsort(-wrong.max(axis=1))[:count]]
    for kind, found in (("miss", misses), ("false", false)):
        for number, (row, place) in enumerate(found):
            both = [decode(task.queries[row]).pixels, task.gallery[place]]
            sheet = Image.new("RGB", (820, 420), "white")
            for left, pixels in zip((5, 415), both, strict=True):
                picture = Image.fromarray(pixels)
                picture.thumbnail((400, 410))
                sheet.paste(picture, (left, 5))
            family = task.families[row].replace(" ", "-").replace(",", "").replace("%", "")
            score = scores.pairs[row, place]
            sheet.save(folder / f"{kind}-{number}-{family}-{score:.1f}.png")


def halved(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Return two halves, by a seeded hash of the names, each in the order of the hash."""

    def place(path: Path) -> str:
        return sha256(f"{SEED} {path.name}".encode()).hexdigest()

    ordered = sorted(paths, key=place)
    return ordered[::2], ordered[1::2]


def machine() -> str:
    """Return what the figures were measured with."""
    return (
        f"Python {platform.python_version()}, numpy {np.__version__}, OpenCV {cv2.__version__}, "
        f"Pillow {PIL.__version__}, {platform.machine()}, {os.cpu_count()} cores"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="reported of")
    parser.add_argument("--show", type=Path, help="where to write the worst mistakes as pictures")
    parser.add_argument("--photos", type=int, help="edit only so many photographs")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--unseen", action="store_true", help="edit in ways not trained on")
    kinds.add_argument("--later", action="store_true", help="edit in ways thought of last")
    parser.add_argument("--filler", type=int, default=0, help="made-up pictures in the gallery")
    parser.add_argument("--plot", type=Path, help="where to draw the calibration, as SVG")
    parser.add_argument("--no-peers", action="store_true", help="measure the engine only")
    arguments = parser.parse_args()
    halves = halved([path for path in arguments.folder.iterdir() if path.is_file()])
    photos, filler = halves[arguments.half], halves[1 - arguments.half]
    edited: Edited = unseen.edited if arguments.unseen else edits.edited
    if arguments.later:
        edited = partial(unseen.edited, families=unseen.LATER)
    task = Task.of(photos[: arguments.photos], filler, edited)
    copies = sum(source >= 0 for source in task.sources)
    print(f"gallery of {len(task.gallery)} photographs, {copies} edited copies,", end=" ")
    print(f"{len(task.queries) - copies} edits of others; half {arguments.half}, seed {SEED}")
    print(machine())
    ours = engine_scores(task, arguments.filler)
    others: list[Any] = [] if arguments.no_peers else list(peers.installed())
    report(task, [*ours, *(peer_scores(task, peer) for peer in others)])
    calibrated(task, ours[-1], arguments.plot)
    if arguments.show:
        show(task, ours[-1], arguments.show)


if __name__ == "__main__":
    main()
