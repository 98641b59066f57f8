"""How good scores of pairs are: precision, recall, confidence, calibration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Truth = NDArray[np.bool_]

PRECISION = 0.99
#: Resamplings of the photographs for a confidence interval.
BOOTSTRAPS = 200
#: The normal distribution has 95 % of its mass within so many standard deviations.
_NORMAL = 1.96


class Quality(NamedTuple):
    #: Micro average precision over all pairs of a query and a gallery picture.
    average_precision: float
    #: The lowest score at which ``PRECISION`` of the pairs above are copies.
    threshold: float


def quality(scores: Floats, truth: Truth) -> Quality:
    """Return the quality of scores (larger is closer) given which pairs are copies."""
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], truth[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    found = np.cumsum(right)[last]
    precision, recall = found / (last + 1), found / right.sum()
    good = np.flatnonzero(precision >= PRECISION)
    return Quality(
        float((np.diff(recall, prepend=0.0) * precision).sum()),
        float(ranked[last][good[-1]]) if good.size else float("inf"),
    )


def interval(found: Truth, photos: NDArray[np.intp], seed: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a recall, by resampling photographs.

    Args:
        found: by query.
        photos: the photograph of each query; edits of one photograph are not independent.
    """
    dice = np.random.default_rng(seed)
    members = np.unique(photos)
    hits = np.array([found[photos == one].sum() for one in members])
    sizes = np.array([(photos == one).sum() for one in members])
    drawn = dice.integers(0, len(members), (BOOTSTRAPS, len(members)))
    means = hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (E. Wilson, JASA 1927)."""
    share, square = right / total, _NORMAL**2 / total
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(share * (1 - share) / total * _NORMAL**2 + square**2 / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(counts: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Return the 95 % confidence interval of the mean of independent shares.

    It recovers variances from the shares' intervals (G. Zou, A. Donner, Statistics in Medicine
    2008), so it holds for shares of 0 and 1, too.

    Args:
        counts: how many are right, and of how many, for each share.
    """
    shares = [right / total for right, total in counts]
    intervals = [wilson_interval(right, total) for right, total in counts]
    mean = sum(shares) / len(shares)
    below = math.hypot(*(share - low for share, (low, _) in zip(shares, intervals, strict=True)))
    above = math.hypot(*(high - share for share, (_, high) in zip(shares, intervals, strict=True)))
    return mean - below / len(shares), mean + above / len(shares)


def reliability(chances: Floats, truth: Truth, bins: int = 10) -> list[tuple[int, float, float]]:
    """Return, by bin of what was said, the pairs, what was said and what was so, on average."""
    place = np.minimum((chances * bins).astype(np.intp), bins - 1)
    return [
        (int(inside.sum()), float(chances[inside].mean()), float(truth[inside].mean()))
        for inside in (place == number for number in range(bins))
        if inside.any()
    ]


def nearly_sure(chances: Floats) -> Truth:
    """Return which pairs are said to be copies with .85 to .95."""
    near: Truth = (chances >= 0.85) & (chances < 0.95)
    return near


def calibration_error(chances: Floats, truth: Truth) -> float:
    """Return the expected calibration error (C. Guo et al., ICML 2017) in ten bins."""
    parts = reliability(chances, truth)
    total = sum(count for count, _, _ in parts)
    return sum(count * abs(said - so) for count, said, so in parts) / max(1, total)


def plotted(parts: list[tuple[int, float, float]]) -> str:
    """Return a drawing (SVG) of what was so over what was said; see ``reliability``.

    The area of a dot goes with the logarithm of its pairs.
    """
    side, margin = 300, 40
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side + 60} {side + 60}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{side + 60}" height="{side + 60}" fill="white"/>',
        (
            f'<path d="M{margin} {margin / 2}V{margin / 2 + side}H{margin + side}" fill="none" '
            'stroke="black"/>'
        ),
        (
            f'<path d="M{margin} {margin / 2 + side}L{margin + side} {margin / 2}" stroke="#999" '
            'stroke-dasharray="4"/>'
        ),
    ]
    for count, said, so in parts:
        x, y = margin + said * side, margin / 2 + (1 - so) * side
        radius = 3 + 2 * float(np.sqrt(np.log10(max(1, count))))
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#1f77b4"/>')
        lines.append(f'<text x="{x - 8:.1f}" y="{y - 10:.1f}" fill="#555">{count}</text>')
    for tenth in range(0, 11, 2):
        along = tenth / 10 * side
        lines.append(f'<text x="{margin + along - 8}" y="{side + 38}">{tenth / 10}</text>')
        lines.append(f'<text x="14" y="{margin / 2 + side - along + 4}">{tenth / 10}</text>')
    lines.append(f'<text x="{side / 2}" y="{side + 55}">similarity said</text>')
    lines.append(
        f'<text transform="translate(11 {side / 2 + 80}) rotate(-90)">share that are copies</text>'
    )
    return "\n".join([*lines, "</svg>", ""])
