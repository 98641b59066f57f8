"""Look for small local differences between two decoded pictures. Imports no Django.

A version number, a date or a flavour is too small for what is stored of a picture. So this lays the
pictures themselves over each other, removes what edits change everywhere, and looks for a connected
area whose details differ much more than those of the rest. A logistic regression (see the model
card beside the data) says whether the area is a difference. Pictures whose parts have moved against
each other are two shots; see ``parallax``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.common.search_options import COPY, SHOT, VARIANT
from django_visualsnoop.engine.matching.calibration import UNRELATED
from django_visualsnoop.engine.matching.correlation import (
    CELL,
    average_cells,
    correlate,
    smooth_cells,
)
from django_visualsnoop.engine.matching.difference import match_tones
from django_visualsnoop.engine.matching.overlay import (
    find_full_features,
    find_map,
    fit_parts,
    place_over,
)
from django_visualsnoop.engine.matching.parallax import measure_parallax
from django_visualsnoop.engine.matching.registration import compute_luma, extract_details

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.correlation import Correlation
    from django_visualsnoop.engine.matching.overlay import FullFeatures
    from django_visualsnoop.engine.matching.parallax import Parallax
    from django_visualsnoop.engine.matching.registration import Registration

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]

#: Raise this whenever two pictures may be judged otherwise: remembered verdicts are then void.
VERSION = 2
PATH = Path(__file__).parent / "data" / "closer_look.npz"

#: Neighbourhoods in which details are compared, in cells.
_WINDOW = 3
#: The variance of details below which a neighbourhood is flat.
_NOISE = 6.0
#: From this standard deviation on, a neighbourhood has details.
_DETAIL = 4.0
#: Overlaps with fewer cells, or with fewer detailed ones, say nothing.
_FEWEST, _FEWEST_DETAILED = 100, 25
#: Blurs tried, in pixels, to make the sharper picture as soft as the other.
_BLURS = (0.6, 0.9, 1.3, 1.8, 2.5, 3.5)
#: Details that differ by more levels than this are a difference, which no blur explains.
_MOST_MISSED = 24.0
#: Differences of details that every copy has: a variance, and a share of the details' own.
_LEAST_NOISE, _LEAST_SHARE = 2.0, 0.02
#: A cell is suspect where details correlate less than this, and differ this many times as much as
#: usual. An area of fewer suspect cells may be an edge that was drawn anew.
_DIFFERENT, _UNUSUAL, _FEWEST_SUSPECT = 0.6, 4.0, 4
#: The most unusual neighbourhood has this side, in cells.
_SIDE = 5
#: A suspect area may also be elsewhere: within this many pixels.
_ELSEWHERE = 6
#: From these shares on, it does not matter how much more is suspect.
_MUCH, _LARGE = 0.3, 0.05
#: The logarithm of the odds of a copy if no area is suspect.
_NOTHING_SUSPECT = 5.0

EVIDENCE = (
    "noise", "usual", "detail_5", "misfit", "is_blurred", "highest", "suspect", "areas", "cells",
    "share", "most", "unlike", "unlike_cells", "unlike_elsewhere", "less_detail", "more_detail",
    "from_edge", "rest",
)  # fmt: skip
"""Names of the values in ``Finding.evidence``."""


class Finding(NamedTuple):
    """How two pictures differ locally."""

    #: 0 to 1: the share of what both show that differs.
    share: float
    #: ``len(EVIDENCE)`` values; ``None`` if no area is suspect.
    evidence: Floats | None
    #: How far parts moved against each other; ``None`` if that cannot be told.
    parallax: Parallax | None


class CloserLook(NamedTuple):
    """What a closer look at a pair of copies says."""

    #: ``COPY``; ``VARIANT`` if a part differs; ``SHOT`` if parts have moved against each other.
    relation: str
    #: The logarithm of the odds that one is a copy of the other.
    score: float
    #: 0 to 1: the share of what both show that differs.
    difference: float


class LogisticModel(NamedTuple):
    """The logarithm of the odds that a part differs is linear in the evidence."""

    weights: NDArray[np.float64]
    base: float


def look_closer(
    first: Pixels,
    second: Pixels,
    first_features: FullFeatures | None = None,
    second_features: FullFeatures | None = None,
) -> CloserLook | None:
    """Return how two pictures are related that look like copies.

    Args:
        first, second: height x width x 3, RGB, uint8.
        first_features, second_features: ``find_full_features`` of each, if known.

    Returns:
        ``None`` if they cannot be laid over each other.
    """
    try:
        found = find_differences(first, second, first_features, second_features)
    except (cv2.error, np.linalg.LinAlgError):
        return None  # no library promises to survive every degenerate picture
    if found is None:
        return None
    if found.parallax is not None and found.parallax.is_clear:
        return CloserLook(SHOT, UNRELATED, found.share)
    score = _NOTHING_SUSPECT
    if found.evidence is not None:
        score = _score(found.evidence)
    return CloserLook(COPY if score >= 0 else VARIANT, score, found.share)


def find_differences(
    first: Pixels,
    second: Pixels,
    first_features: FullFeatures | None = None,
    second_features: FullFeatures | None = None,
) -> Finding | None:
    """Return how two pictures differ locally; see ``look_closer``."""
    found = find_map(
        find_full_features(first) if first_features is None else first_features,
        find_full_features(second) if second_features is None else second_features,
        first.shape[1],
    )
    if found is None:
        return None
    placed = place_over(first, second, found.matrix)
    if placed is None:
        return None
    laid = fit_parts(placed)
    compared = compare_details(laid)
    if compared is None:
        return None
    suspect = compared.find_suspect()
    area = _find_area(compared, suspect)
    share = float(suspect.sum() / compared.inside.sum())
    parallax = measure_parallax(placed)
    if area is None:
        return Finding(share, None, parallax)
    return Finding(share, _collect_evidence(compared, suspect, area, laid.misfit), parallax)


class Compared(NamedTuple):
    """The details of two pictures in one frame, and how they agree, by cells."""

    first: Floats
    second: Floats
    inside: Flags
    detailed: Flags
    found: Correlation
    #: The mean squares of what details differ by, and of the details.
    left: Floats
    own: Floats
    #: What details differ by where nothing is to be seen: a variance, and a share of their own.
    noise: float
    usual: float
    is_blurred: bool

    def compare_to_usual(self, side: int) -> Floats:
        """Return the logarithm of how many times as much as usual neighbourhoods differ."""
        expected = np.float32(self.noise) + np.float32(self.usual) * smooth_cells(self.own, side)
        return np.log(smooth_cells(self.left, side) / expected + np.float32(1e-3))

    def find_suspect(self) -> Flags:
        """Return the cells whose details correlate little, and differ more than usual."""
        unusual = self.compare_to_usual(_WINDOW) > np.log(_UNUSUAL)
        suspect: Flags = self.detailed & (self.found.best < _DIFFERENT) & unusual
        return suspect


def compare_details(laid: Registration) -> Compared | None:
    """Return how details agree; ``None`` if there are too few."""
    inside = average_cells(laid.inside.astype(np.float32)) > 1 - 1e-3
    if int(inside.sum()) < _FEWEST:
        return None
    tones = match_tones(laid)
    sharp = _match_sharpness(compute_luma(tones.first), compute_luma(tones.second), laid.inside)
    first, second = extract_details(sharp.first), extract_details(sharp.second)
    found = correlate(first, second, reach=1, window=_WINDOW, noise=_NOISE)
    detailed = inside & (np.maximum(found.first_detail, found.second_detail) > _DETAIL)
    if int(detailed.sum()) < _FEWEST_DETAILED:
        return None
    left = average_cells(np.square(first - second))
    own = average_cells((np.square(first) + np.square(second)) * np.float32(0.5))
    shares = smooth_cells(left, _WINDOW) / (smooth_cells(own, _WINDOW) + np.float32(1e-3))
    return Compared(
        first,
        second,
        inside,
        detailed,
        found,
        left,
        own,
        noise=max(_LEAST_NOISE, float(np.percentile(left[inside], 30))),
        usual=max(_LEAST_SHARE, float(np.median(shares[detailed]))),
        is_blurred=sharp.is_blurred,
    )


class _Sharpness(NamedTuple):
    """Two pictures that are equally sharp."""

    first: Floats
    second: Floats
    is_blurred: bool


def _match_sharpness(one: Floats, other: Floats, inside: Flags) -> _Sharpness:
    """Blur the sharper of two pictures as much as brings it closest to the other."""

    def miss(first: Floats, second: Floats) -> float:
        missed = np.abs(extract_details(first) - extract_details(second))
        return float(np.minimum(missed, _MOST_MISSED)[inside].mean())

    sharper = extract_details(one)[inside].std() >= extract_details(other)[inside].std()
    sharp, soft = (one, other) if sharper else (other, one)
    best, least, is_blurred = sharp, miss(sharp, soft), False
    for width in _BLURS:
        blurred = cv2.GaussianBlur(sharp, (0, 0), width).astype(np.float32)
        missed = miss(blurred, soft)
        if missed >= least:
            break
        best, least, is_blurred = blurred, missed, True
    first, second = (best, soft) if sharper else (soft, best)
    return _Sharpness(first, second, is_blurred)


def _find_area(compared: Compared, suspect: Flags) -> Flags | None:
    """Return the connected area that differs most; ``None`` if all are too small."""
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(
        suspect.astype(np.uint8), connectivity=8
    )
    unusual = compared.compare_to_usual(_WINDOW) * suspect
    weights = np.bincount(labels.ravel().astype(np.intp), unusual.ravel(), count)
    weights[sizes[:, cv2.CC_STAT_AREA] < _FEWEST_SUSPECT] = 0
    weights[0] = 0
    if not weights.any():
        return None
    return np.asarray(labels == int(weights.argmax()))


def score_suspect(compared: Compared, suspect: Flags, misfit: float) -> float:
    """Return the logarithm of the odds that suspect cells are no difference."""
    area = _find_area(compared, suspect)
    if area is None:
        return _NOTHING_SUSPECT
    return _score(_collect_evidence(compared, suspect, area, misfit))


def _score(evidence: Floats) -> float:
    model = load_model()
    return -float(model.weights @ evidence + model.base)


def _collect_evidence(compared: Compared, suspect: Flags, area: Flags, misfit: float) -> Floats:
    found, detailed = compared.found, compared.detailed
    details = found.first_detail[area].mean(), found.second_detail[area].mean()
    rest = detailed & ~area
    cells = np.log1p(area.sum())
    unlike = 1 - found.best[area].mean()
    framed = np.pad(compared.inside, 1).astype(np.uint8)
    from_edge = cv2.distanceTransform(framed, cv2.DIST_C, 3)[1:-1, 1:-1]
    values = {
        "noise": np.log(compared.noise),
        "usual": np.log(compared.usual),
        "detail_5": np.percentile(found.best[detailed], 5),
        "misfit": np.log1p(misfit),
        "is_blurred": float(compared.is_blurred),
        "highest": compared.compare_to_usual(_SIDE)[compared.inside].max(),
        "suspect": min(_MUCH, suspect.sum() / detailed.sum()),
        "areas": np.log1p(cv2.connectedComponents(suspect.astype(np.uint8))[0] - 1),
        "cells": cells,
        "share": min(_LARGE, area.sum() / compared.inside.sum()),
        "most": compared.compare_to_usual(_WINDOW)[area].max(),
        "unlike": unlike,
        "unlike_cells": unlike * cells,
        "unlike_elsewhere": 1 - _correlate_elsewhere(compared, area),
        "less_detail": np.log1p(min(details)),
        "more_detail": np.log((max(details) + 1) / (min(details) + 1)),
        "from_edge": np.log1p(from_edge[area].min()),
        "rest": float(np.median(found.best[rest])) if rest.any() else -1.0,
    }
    return np.array([values[name] for name in EVIDENCE], dtype=np.float32)


def _correlate_elsewhere(compared: Compared, area: Flags) -> float:
    """Return how well the area of one picture correlates with any place near it in the other."""
    left, top, wide, high = (CELL * side for side in cv2.boundingRect(area.astype(np.uint8)))
    right, bottom = left + wide + CELL, top + high + CELL
    left, top = max(0, left - CELL), max(0, top - CELL)
    wanted = compared.first[top:bottom, left:right]
    further = np.pad(compared.second, _ELSEWHERE, mode="reflect")
    further = further[top : bottom + 2 * _ELSEWHERE, left : right + 2 * _ELSEWHERE]
    found = cv2.matchTemplate(further, wanted, cv2.TM_CCOEFF_NORMED)
    return float(np.clip(np.nan_to_num(found), -1, 1).max())


@cache
def load_model() -> LogisticModel:
    """Return the fitted model.

    Raises:
        ValueError: it was fitted to other evidence.
    """
    with np.load(PATH) as stored:
        if tuple(stored["evidence"].tolist()) != EVIDENCE:
            raise ValueError(f"{PATH} must be fitted again: the evidence has changed.")
        return LogisticModel(stored["weights"].astype(np.float64), float(stored["base"]))
