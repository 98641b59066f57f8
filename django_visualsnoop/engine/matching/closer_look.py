"""Look for small local differences between two decoded pictures. Imports no Django.

A version number, a date or a flavour is too small for what is stored of a picture. So this lays the
pictures themselves over each other, removes what edits change everywhere, and looks for a connected
area whose details differ much more than those of the rest. A model that is fitted to pictures with
and without such an area (see the model card beside the data) judges the evidence.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.common.search_options import COPY, VARIANT
from django_visualsnoop.engine.matching.correlation import (
    CELL,
    average_cells,
    correlate,
    smooth_cells,
)
from django_visualsnoop.engine.matching.difference import match_tones
from django_visualsnoop.engine.matching.overlay import find_full_features, find_map, lay_over
from django_visualsnoop.engine.matching.registration import compute_luma, extract_details
from django_visualsnoop.engine.matching.trees import BoostedTrees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.correlation import Correlation
    from django_visualsnoop.engine.matching.overlay import FullFeatures
    from django_visualsnoop.engine.matching.registration import Registration

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]

#: Raise this whenever two pictures may be judged otherwise: remembered verdicts are then void.
VERSION = 1
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
#: An area is suspect where details correlate less than this, and differ this many times as much
#: as usual.
_DIFFERENT, _UNUSUAL = 0.6, 4.0
#: Sides of the neighbourhoods in which the most unusual one is found, in cells.
_SIDES = (3, 5, 9)
#: A suspect area may also be elsewhere: within this many pixels.
_ELSEWHERE = 6
#: Levels this close to black or white have lost their details.
_CLIPPED = 4.0

EVIDENCE = (
    "features", "scale", "share_less", "share_more", "cells", "detailed", "misfit", "blur",
    "noise", "usual", "left_over", "contrast",
    "detail_1", "detail_5", "detail_25", "detail_50",
    "unusual_99", "unusual_95", "unusual_75",
    "highest_3", "highest_5", "highest_9",
    "luma_highest", "luma_99", "luma_95", "colour_highest", "colour_99", "colour_95",
    "areas", "suspect", "area_cells", "area_share", "area_detail", "area_less", "area_more",
    "area_correlation", "area_elsewhere", "area_unusual", "area_most", "area_edge", "area_luma",
    "area_clipped", "area_rest",
)  # fmt: skip
"""Names of the values in ``Finding.evidence``."""


class Finding(NamedTuple):
    """How two pictures differ locally."""

    #: 0 to 1: the share of what both show that differs.
    share: float
    #: ``len(EVIDENCE)`` values.
    evidence: Floats


class CloserLook(NamedTuple):
    """What a closer look at a pair of copies says."""

    #: ``COPY``, or ``VARIANT`` if a part differs.
    relation: str
    #: The logarithm of the odds that no part differs.
    score: float
    #: 0 to 1: the share of what both show that differs.
    difference: float


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
    found = find_differences(first, second, first_features, second_features)
    if found is None:
        return None
    score = -load_model().predict(found.evidence)
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
    laid = lay_over(first, second, found.matrix)
    return None if laid is None else _compare(laid, found.agreeing)


def _compare(laid: Registration, features: int) -> Finding | None:
    compared = _compare_details(laid)
    if compared is None:
        return None
    inside, detailed = compared.inside, compared.detailed
    count, known = int(inside.sum()), int(detailed.sum())
    luma, colour = compared.luma[inside], compared.colour[inside]
    unusual = compared.unusual
    suspect = detailed & (compared.found.best < _DIFFERENT) & (unusual > np.log(_UNUSUAL))
    values = {
        "features": np.log1p(features),
        "scale": laid.scale,
        "share_less": min(laid.shares),
        "share_more": max(laid.shares),
        "cells": np.log1p(count),
        "detailed": known / count,
        "misfit": laid.misfit,
        "blur": compared.blur,
        "noise": np.log(compared.noise),
        "usual": np.log(compared.usual),
        "left_over": compared.left_over,
        "contrast": compared.contrast,
        **_list_percentiles("detail", compared.found.best[detailed], (1, 5, 25, 50)),
        **_list_percentiles("unusual", unusual[detailed], (99, 95, 75)),
        **{f"highest_{side}": compared.compare_to_usual(side)[inside].max() for side in _SIDES},
        "luma_highest": luma.max(),
        **_list_percentiles("luma", luma, (99, 95)),
        "colour_highest": colour.max(),
        **_list_percentiles("colour", colour, (99, 95)),
        "suspect": suspect.sum() / known,
        **_describe_area(compared, suspect),
    }
    evidence = np.array([values[name] for name in EVIDENCE], dtype=np.float32)
    return Finding(float(suspect.sum()) / count, evidence)


class _Compared(NamedTuple):
    """Two pictures in one frame, and how their details agree, by cells."""

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
    #: How far means of neighbourhoods are apart, in levels.
    luma: Floats
    colour: Floats
    #: Where a picture is black or white.
    clipped: Floats
    blur: float
    left_over: float
    contrast: float

    @property
    def unusual(self) -> Floats:
        return self.compare_to_usual(_WINDOW)

    def compare_to_usual(self, side: int) -> Floats:
        """Return the logarithm of how many times as much as usual neighbourhoods differ."""
        expected = np.float32(self.noise) + np.float32(self.usual) * smooth_cells(self.own, side)
        return np.log(smooth_cells(self.left, side) / expected + np.float32(1e-3))


def _compare_details(laid: Registration) -> _Compared | None:
    inside = average_cells(laid.inside.astype(np.float32)) > 1 - 1e-3
    count = int(inside.sum())
    if count < _FEWEST:
        return None
    tones = match_tones(laid)
    luma = compute_luma(tones.first), compute_luma(tones.second)
    one, other, blur = _match_sharpness(*luma, laid.inside)
    first, second = extract_details(one), extract_details(other)
    found = correlate(first, second, reach=1, window=_WINDOW, noise=_NOISE)
    detailed = inside & (np.maximum(found.first_detail, found.second_detail) > _DETAIL)
    if int(detailed.sum()) < _FEWEST_DETAILED:
        return None
    left = average_cells((first - second) ** 2)
    own = average_cells((first**2 + second**2) / 2)
    shares = smooth_cells(left, _WINDOW) / (smooth_cells(own, _WINDOW) + np.float32(1e-3))
    chroma = (tones.first - tones.second) - (luma[0] - luma[1])[..., None]
    colours = [
        smooth_cells(average_cells(np.ascontiguousarray(chroma[..., colour])), _WINDOW)
        for colour in (0, 2)
    ]
    return _Compared(
        first,
        second,
        inside,
        detailed,
        found,
        left,
        own,
        noise=max(_LEAST_NOISE, float(np.percentile(left[inside], 30))),
        usual=max(_LEAST_SHARE, float(np.median(shares[detailed]))),
        luma=np.abs(smooth_cells(average_cells(one - other), _WINDOW)),
        colour=np.hypot(*colours),
        clipped=np.maximum(_find_clipped(laid.first), _find_clipped(laid.second)),
        blur=blur,
        left_over=tones.left_over,
        contrast=float(other[laid.inside].std()),
    )


def _find_clipped(pixels: Floats) -> Floats:
    """Return the share of each cell that is black or white."""
    luma = compute_luma(pixels)
    return average_cells(((luma < _CLIPPED) | (luma > 255 - _CLIPPED)).astype(np.float32))


def _describe_area(compared: _Compared, suspect: Flags) -> dict[str, float]:
    """Return the evidence of the connected area that differs most."""
    found, labels = cv2.connectedComponents(suspect.astype(np.uint8), connectivity=8)
    values = dict.fromkeys((name for name in EVIDENCE if name.startswith("area_")), 0.0)
    values |= {"areas": np.log1p(found - 1), "area_correlation": 1.0, "area_elsewhere": 1.0}
    values["area_rest"] = 1.0
    if found == 1:
        return values
    unusual, best = compared.unusual, compared.found.best
    weights = np.bincount(labels.ravel(), (unusual * suspect).ravel(), found)
    area = np.asarray(labels == int(weights[1:].argmax()) + 1)
    rest = compared.detailed & ~area
    inside = np.pad(compared.inside, 1).astype(np.uint8)
    from_edge = cv2.distanceTransform(inside, cv2.DIST_C, 3)[1:-1, 1:-1]
    details = compared.found.first_detail[area].mean(), compared.found.second_detail[area].mean()
    return values | {
        "area_cells": np.log1p(area.sum()),
        "area_share": area.sum() / compared.inside.sum(),
        "area_detail": max(details),
        "area_less": min(details),
        "area_more": np.log((max(details) + 1) / (min(details) + 1)),
        "area_correlation": best[area].mean(),
        "area_elsewhere": _correlate_elsewhere(compared, area),
        "area_unusual": unusual[area].mean(),
        "area_most": unusual[area].max(),
        "area_edge": from_edge[area].min(),
        "area_luma": compared.luma[area].max(),
        "area_clipped": compared.clipped[area].mean(),
        "area_rest": float(np.median(best[rest])) if rest.any() else -1.0,
    }


def _correlate_elsewhere(compared: _Compared, area: Flags) -> float:
    """Return how well the area of one picture correlates with any place near it in the other."""
    left, top, wide, high = (CELL * side for side in cv2.boundingRect(area.astype(np.uint8)))
    right, bottom = left + wide + CELL, top + high + CELL
    left, top = max(0, left - CELL), max(0, top - CELL)
    wanted = compared.first[top:bottom, left:right]
    further = cv2.copyMakeBorder(
        compared.second, *[_ELSEWHERE] * 4, borderType=cv2.BORDER_REFLECT_101
    )[top : bottom + 2 * _ELSEWHERE, left : right + 2 * _ELSEWHERE]
    found = cv2.matchTemplate(further, wanted, cv2.TM_CCOEFF_NORMED)
    return float(np.clip(np.nan_to_num(found), -1, 1).max())


def _match_sharpness(one: Floats, other: Floats, inside: Flags) -> tuple[Floats, Floats, float]:
    """Return both pictures, the sharper one blurred as much as brings it closest to the other.

    The last is the blur in pixels.
    """

    def miss(first: Floats, second: Floats) -> float:
        missed = np.abs(extract_details(first) - extract_details(second))
        return float(np.minimum(missed, _MOST_MISSED)[inside].mean())

    sharper = extract_details(one)[inside].std() >= extract_details(other)[inside].std()
    sharp, soft = (one, other) if sharper else (other, one)
    best, least, blur = sharp, miss(sharp, soft), 0.0
    for width in _BLURS:
        blurred = cv2.GaussianBlur(sharp, (0, 0), width).astype(np.float32)
        missed = miss(blurred, soft)
        if missed >= least:
            break
        best, least, blur = blurred, missed, width
    return (best, soft, blur) if sharper else (soft, best, blur)


def _list_percentiles(name: str, values: Floats, shares: tuple[int, ...]) -> dict[str, float]:
    found = np.percentile(values, shares).tolist()
    return {f"{name}_{share}": value for share, value in zip(shares, found, strict=True)}


@cache
def load_model() -> BoostedTrees:
    """Return the model: the logarithm of the odds that a part differs.

    Raises:
        ValueError: it was fitted to other evidence.
    """
    with np.load(PATH) as stored:
        if tuple(stored["evidence"].tolist()) != EVIDENCE:
            raise ValueError(f"{PATH} must be fitted again: the evidence has changed.")
        return BoostedTrees(*(stored[field] for field in BoostedTrees._fields))
