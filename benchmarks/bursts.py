"""How sure the engine is that two shots of one scene are copies of each other.

    python benchmarks/bursts.py FILE.avi [FILE.avi …] [--seconds 0.2 1 5 20] [--frames 60]
        [--photos FOLDER] [--pairs-only]

Frames of a film stand for photographs shot one after the other: of each film, up to so many pairs
of frames that lie so many seconds apart, spread over the film. Printed is the share of pairs that
are said to be copies, at the default threshold and at 0.9, and at the default threshold after a
closer look. Nothing in one is taken from the other, but an eye that sees them one by one may not
tell. Then, but for ``--pairs-only``, up to 20 frames, so far apart, are edited as lookalikes.py
does, and it is printed how many of these copies are most like their own frame.

With photographs, as copies.py takes them, it is also printed how many of their edited copies a
threshold would lose that refuses 95 % of all those pairs of frames.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import edits
import numpy as np
import unseen
from copies import SEED, Task, halved, machine
from lookalikes import COPIES
from PIL import Image

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.closer_look import look_closer
from django_visualsnoop.engine.matching.compare import compare, compare_all

if TYPE_CHECKING:
    from copies import Edited

SURE = 0.9
#: Of pairs of frames, the share that a threshold is to refuse.
REFUSED = 0.95
#: Photographs of which copies are compared with them.
PHOTOS = 12
#: Frames of which copies are looked up.
MEMBERS = 20


def film_of(path: Path) -> tuple[list[bytes], float]:
    """Return all frames as JPEGs, and how many there are in a second."""
    film = cv2.VideoCapture(str(path))
    rate = film.get(cv2.CAP_PROP_FPS)
    frames = []
    while True:
        there, frame = film.read()
        if not there:
            break
        _, written = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])
        frames.append(written.tobytes())
    if not frames or not rate:
        raise SystemExit(f"{path} is no film that OpenCV reads.")
    return frames, rate


class Judged(NamedTuple):
    """Two frames of a film."""

    score: float
    #: Whether a closer look leaves them copies of each other.
    confirmed: bool


def judge(frames: list[bytes], apart: int, count: int) -> list[Judged]:
    """Return what is said of up to ``count`` pairs of frames that lie so far apart."""
    last = len(frames) - apart
    if last < 1:
        return []
    firsts = sorted(set(np.linspace(0, last - 1, count).astype(int).tolist()))
    found = []
    for first in firsts:
        one, other = (decode(frames[place]).pixels for place in (first, first + apart))
        compared = compare(describe.build_probes(other), describe.describe(one))
        look = look_closer(one, other)
        confirmed = look is None or look.relation == COPY
        found.append(Judged(compared.relation.copy_score, confirmed))
    return found


def first_ones(frames: list[bytes], apart: int) -> tuple[int, int]:
    """Return how many edited copies there are of frames, and how many find their own first."""
    some = [decode(frame).pixels for frame in frames[::apart][:MEMBERS]]
    stored = [describe.describe(pixels) for pixels in some]
    right = 0
    for number, pixels in enumerate(some):
        dice = random.Random(number)
        for edit in COPIES:
            copy = edits.encoded(edit(Image.fromarray(pixels), dice), quality=60)
            compared = compare_all(describe.build_probes(decode(copy).pixels), stored)
            # In the order of searches.
            order = [(one.relation.rank, -one.relation.score) for one in compared]
            right += order.index(min(order)) == number
    return len(some) * len(COPIES), right


def scores_of_copies(folder: Path, edited: Edited) -> list[float]:
    """Return the scores of edited copies of photographs, each with its original."""
    others, half = halved([path for path in folder.iterdir() if path.is_file()])
    task = Task.of(half[:PHOTOS], others, edited)
    stored = [describe.describe(pixels) for pixels in task.gallery[:PHOTOS]]
    return [
        compare(describe.build_probes(decode(content).pixels), stored[source]).relation.score
        for content, source in zip(task.queries, task.sources, strict=True)
        if source >= 0
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("films", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.2, 1, 5, 20])
    parser.add_argument("--frames", type=int, default=60, help="pairs of each film and distance")
    parser.add_argument("--photos", type=Path, help="to compare their edited copies, too")
    parser.add_argument("--pairs-only", action="store_true", help="edit no frames")
    options = parser.parse_args()
    everything: list[float] = []
    print(machine())
    for path in options.films:
        frames, rate = film_of(path)
        print(f"{path.name}: {len(frames)} frames, {len(frames) / rate:.0f} s")
        for seconds in options.seconds:
            judged = judge(frames, max(1, round(seconds * rate)), options.frames)
            if not judged:
                continue
            scored = [one.score for one in judged]
            everything += scored
            least = calibration.similarity_to_score(calibration.DEFAULT_MIN_SIMILARITY)
            found = np.mean([one >= least for one in scored])
            sure = np.mean([one >= calibration.similarity_to_score(SURE) for one in scored])
            print(f"  {seconds:5.1f} s apart: {len(scored):3} pairs", end=", ")
            left = np.mean([one.score >= least and one.confirmed for one in judged])
            print(f"said to be copies {found:.2f}, with {SURE} {sure:.2f};", end=" ")
            print(f"after a closer look {left:.2f}")
            if options.pairs_only:
                continue
            copies, right = first_ones(frames, max(1, round(seconds * rate)))
            print(f"      of {copies} edited copies {right} find their own first")
    if options.photos:
        threshold = np.quantile(everything, REFUSED)
        print(
            f"a threshold that refuses {REFUSED:.0%} of {len(everything)} pairs of frames", end=" "
        )
        for title, edited in (("known", edits.edited), ("unseen", unseen.edited)):
            of_copies = scores_of_copies(options.photos, edited)
            lost = np.mean([one < threshold for one in of_copies])
            print(f"loses {lost:.2f} of {len(of_copies)} {title} edits", end="; ")
        print(f"half 1, {PHOTOS} photographs, seed {SEED}")


if __name__ == "__main__":
    main()
