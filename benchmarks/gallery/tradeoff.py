"""Print and draw how many copies are kept if fewer of the others may be called copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measures import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.gallery.labels import Judged

#: The least similarities of pairs that are called copies.
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
#: Thresholds with a label in the drawing.
_NAMED = (0.5, 0.7, 0.9, 0.95, 0.99)
#: The share of copies that is wanted at the default threshold.
GOAL = 0.95


class Tradeoff(NamedTuple):
    """What calling copies does from one similarity on."""

    threshold: float
    #: Number of labelled pairs that are called copies, and of those that are copies.
    called: int
    right: int
    #: Number of labelled copies, whether they are called so or not.
    copies: int

    @property
    def precision(self) -> float:
        return self.right / self.called

    @property
    def kept(self) -> float:
        return self.right / self.copies


def measure_tradeoff(judged: Sequence[Judged], *, closer_look: bool) -> list[Tradeoff]:
    """Return the tradeoff at each threshold from which any pair is called a copy.

    Args:
        judged: labelled pairs, with a copy among them.
        closer_look: leave out pairs that are no copies from closer.
    """
    copies = sum(one.label == "copy" for one in judged)
    found = []
    for threshold in THRESHOLDS:
        called = [
            one.label == "copy"
            for one in judged
            if one.similarity is not None
            and one.similarity >= threshold
            and (one.confirmed or not closer_look)
        ]
        if called:
            found.append(Tradeoff(threshold, len(called), sum(called), copies))
    return found


def print_tradeoff(judged: Sequence[Judged]) -> None:
    """Print, by threshold, the share of copies and the share of the copies that are kept."""
    print("\nof the pairs called copies, the share that are; and the share of all copies kept")
    for closer_look in (False, True):
        print("with a closer look" if closer_look else "without a closer look")
        for one in measure_tradeoff(judged, closer_look=closer_look):
            low, high = wilson_interval(one.right, one.called)
            share = f"{one.right}/{one.called} {one.precision:.3f} ({low:.3f}-{high:.3f})"
            print(f"  {one.threshold:<8}{share:36}{one.right}/{one.copies} {one.kept:.3f}")


def draw_tradeoff(judged: Sequence[Judged], path: Path) -> None:
    """Draw the share of copies over the share of the copies that are kept, from ``THRESHOLDS``."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        print(f"{path.name} needs matplotlib: python -m pip install matplotlib")
        return
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(GOAL, color="0.7", linestyle="--", linewidth=1)
    for closer_look, colour, name in (
        (False, "C1", "without a closer look"),
        (True, "C0", "with a closer look"),
    ):
        found = measure_tradeoff(judged, closer_look=closer_look)
        kept, right = [one.kept for one in found], [one.precision for one in found]
        axes.plot(kept, right, "o-", color=colour, markersize=4, linewidth=1, label=name)
        for one in found:
            bounds = wilson_interval(one.right, one.called)
            axes.plot([one.kept, one.kept], bounds, color=colour, linewidth=0.6)
            if one.threshold in _NAMED:
                axes.annotate(
                    f"{one.threshold:g}",
                    (one.kept, one.precision),
                    xytext=(4, 6) if closer_look else (-26, -10),
                    textcoords="offset points",
                    color=colour,
                )
    axes.set(xlabel="share of the labelled copies that are kept", ylabel="share that are copies")
    axes.set(xlim=(0.15, 1.06), ylim=(0.83, 1.0))
    axes.legend(loc="lower left", frameon=False)
    # The same pairs give the same file.
    with mpl.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})
