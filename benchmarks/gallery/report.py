"""Print and draw how often labelled pairs that are called copies are copies."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.gallery.labels import LABELS
from benchmarks.gallery.samples import TWO_SETS
from benchmarks.measures import mean_interval, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.gallery.labels import Judged
    from benchmarks.gallery.pictures import Picture

THRESHOLDS = (0.5, 0.9, 0.99)
#: Bounds of what is drawn as one dot.
_BINS = (0.5, 0.7, 0.9, 0.99, 1.000001)


def print_precision(judged: Sequence[Judged]) -> None:
    """Print, by set and threshold, the share of copies and its 95 % interval."""
    print("\nof the labelled pairs that are called copies, the share that are copies")
    print(f"{'similarity, at least':24}" + "".join(f"{least:<28}" for least in THRESHOLDS).rstrip())
    names = sorted({one.set_name for one in judged})
    counts = {name: _count([one for one in judged if one.set_name == name]) for name in names}
    for name in names:
        print(f"{name:24}" + "".join(f"{_show(*count):28}" for count in counts[name]).rstrip())
    everything = _count(judged)
    print(f"{'all pairs':24}" + "".join(f"{_show(*count):28}" for count in everything).rstrip())
    line = f"{'mean over sets':24}"
    for number in range(len(THRESHOLDS)):
        some = [counts[name][number] for name in names if counts[name][number][1]]
        if some:
            mean = sum(right / called for right, called in some) / len(some)
            low, high = mean_interval(some)
            line += f"{f'{len(some)} sets, {mean:.3f} ({low:.2f}-{high:.2f})':28}"
    print(line.rstrip())


def _count(judged: Sequence[Judged]) -> list[tuple[int, int]]:
    """Return, by threshold, how many pairs are copies, and how many are called so."""
    called = [one for one in judged if one.similarity is not None]
    counts = []
    for least in THRESHOLDS:
        some = [one.label == "copy" for one in called if (one.similarity or 0) >= least]
        counts.append((sum(some), len(some)))
    return counts


def _show(right: int, called: int) -> str:
    if not called:
        return "none"
    low, high = wilson_interval(right, called)
    return f"{right}/{called} {right / called:.3f} ({low:.2f}-{high:.2f})"


def print_found(judged: Sequence[Judged]) -> None:
    """Print, by label, as what searches find pairs, and how many are grouped."""
    relations = ("copy", "variant", "shot", "unknown", "not found")
    print("\nwhat searches by the id of either picture say, and pairs in one group of duplicates")
    print(f"{'label':12}{'searches':>10}" + "".join(f"{one:>11}" for one in relations), end="")
    print(f"{'pairs':>9}{'grouped':>9}")
    for label in LABELS:
        some = [one for one in judged if one.label == label]
        told = Counter(relation for one in some for relation in one.found_as)
        cells = "".join(f"{told[relation]:11}" for relation in relations)
        grouped = sum(one.grouped for one in some)
        print(f"{label:12}{2 * len(some):10}{cells}{len(some):9}{grouped:9}")
    copies = [one for one in judged if one.label == "copy"]
    if copies:
        found = sum(relation != "not found" for one in copies for relation in one.found_as)
        print(f"searches find {_show(found, 2 * len(copies))} of the copies;", end=" ")
        print(f"duplicates {_show(sum(one.grouped for one in copies), len(copies))}")


def draw_calibration(judged: Sequence[Judged], pictures: Mapping[str, Picture], path: Path) -> None:
    """Draw the share of copies over the similarity, for each kind of set."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"{path.name} needs matplotlib: python -m pip install matplotlib")
        return
    by_kind: dict[str, list[tuple[float, bool]]] = {}
    for one in judged:
        if one.similarity is not None:
            kind = TWO_SETS if one.set_name == TWO_SETS else pictures[one.first_id].set.kind
            by_kind.setdefault(kind, []).append((one.similarity, one.label == "copy"))
    across = 4
    down = max(1, -(-len(by_kind) // across))
    figure = Figure(figsize=(3.2 * across, 3.1 * down), layout="constrained")
    for number, (kind, pairs) in enumerate(sorted(by_kind.items()), 1):
        axes = figure.add_subplot(down, across, number)
        axes.plot([0.5, 1], [0.5, 1], color="0.7", linestyle="--", linewidth=1)
        for place, (low, high) in enumerate(pairwise(_BINS)):
            inside = [(said, so) for said, so in pairs if low <= said < high]
            if not inside:
                continue
            said = sum(value for value, _ in inside) / len(inside)
            right = sum(so for _, so in inside)
            bounds = wilson_interval(right, len(inside))
            axes.plot([said, said], bounds, color="C0", linewidth=1)
            axes.plot([said], [right / len(inside)], "o", color="C0", markersize=5)
            axes.annotate(
                str(len(inside)),
                (said, right / len(inside)),
                xytext=(-14, -14 if place % 2 else 4),  # or close ones overlap
                textcoords="offset points",
            )
        axes.set(xlim=(0.48, 1.02), ylim=(-0.12, 1.14), title=f"{kind}, {len(pairs)} pairs")
        axes.set(xlabel="similarity", ylabel="share that are copies")
    figure.savefig(path)
