"""Fit a threshold of similarity to pairs that a person has labelled. Imports no Django."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: With fewer labels of either kind, a threshold says little.
ENOUGH = 10
#: How far a threshold may lie beyond all labelled pairs.
_MARGIN = 0.02
#: The quantile of the normal distribution for intervals of 95 %.
_Z = 1.959963984540054


class Label(NamedTuple):
    """One pair that a person has looked at."""

    #: 0 to 1.
    similarity: float
    is_copy: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """A threshold, and how the labelled pairs fall on its sides."""

    threshold: float
    #: Copies that are less similar, and other pairs that are not.
    missed: int
    wrong: int
    #: The number of labels.
    count: int

    @property
    def errors(self) -> int:
        return self.missed + self.wrong

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share of errors, by Wilson's score."""
        share, n = self.errors / self.count, self.count
        centre = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
        spread = math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n)) * _Z / (1 + _Z * _Z / n)
        return max(0.0, centre - spread), min(1.0, centre + spread)


def count_errors(labels: Iterable[Label], threshold: float) -> Fit:
    """Return how labelled pairs fall on the sides of a threshold."""
    labels = list(labels)
    missed = sum(label.is_copy and label.similarity < threshold for label in labels)
    wrong = sum(not label.is_copy and label.similarity >= threshold for label in labels)
    return Fit(threshold, missed, wrong, len(labels))


def fit_threshold(labels: Sequence[Label], current: float) -> Fit:
    """Return the threshold with the fewest errors; among equals, the one closest to the current.

    Args:
        labels: at least one.
        current: the threshold in use, 0 to 1. It is a candidate, too.
    """
    known = sorted({label.similarity for label in labels})
    # Nobody has labelled what lies further out.
    edges = [max(0.0, known[0] - _MARGIN), *known, min(1.0, known[-1] + _MARGIN)]
    between = [_shortest_between(low, high) for low, high in pairwise(edges)]
    candidates = [count_errors(labels, threshold) for threshold in (current, *between)]
    return min(candidates, key=lambda fit: (fit.errors, abs(fit.threshold - current)))


def has_too_few(labels: Iterable[Label]) -> bool:
    """Whether there are too few labels of one kind."""
    copies = [label.is_copy for label in labels]
    return min(sum(copies), len(copies) - sum(copies)) < ENOUGH


def _shortest_between(low: float, high: float) -> float:
    """Return a threshold between two similarities with as few decimal places as possible."""
    middle = (low + high) / 2
    for places in range(1, 10):
        rounded = round(middle, places)
        if low < rounded < high:
            return rounded
    return high
