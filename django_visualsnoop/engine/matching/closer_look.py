"""Look for small local differences between two decoded pictures. Imports no Django.

A number of a version, a date or a flavour is too small for what is stored of a picture. So this
lays the pictures themselves over each other, removes what edits change everywhere, and looks for a
connected area whose details differ much more than those of the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.engine.matching.correlation import average_cells, correlate, smooth_cells
from django_visualsnoop.engine.matching.difference import match_tones
from django_visualsnoop.engine.matching.overlay import find_full_features, find_map, lay_over
from django_visualsnoop.engine.matching.registration import compute_luma, extract_details

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.overlay import FullFeatures
    from django_visualsnoop.engine.matching.registration import Registration

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]

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
#: Differences of details that every copy has: a variance, and a share of the details' own.
_LEAST_NOISE, _LEAST_SHARE = 2.0, 0.02
#: An area is suspect where details correlate less than this, and differ this many times as much
#: as usual.
_DIFFERENT, _UNUSUAL = 0.6, 4.0

EVIDENCE = (
    "features", "scale", "share_less", "share_more", "cells", "detailed", "misfit", "blur",
    "noise", "usual", "left_over", "contrast",
    "detail_1", "detail_5", "detail_25", "detail_50",
    "unusual_99", "unusual_95", "unusual_75",
    "highest_3", "highest_5", "highest_9",
    "luma_highest", "luma_99", "luma_95", "colour_highest", "colour_99", "colour_95",
    "areas", "suspect", "area_cells", "area_share", "area_detail", "area_first", "area_second",
    "area_correlation", "area_unusual", "area_most", "area_edge", "area_luma", "area_rest",
)  # fmt: skip
"""Names of the values in ``Finding.evidence``."""


class Finding(NamedTuple):
    """What a closer look finds."""

    #: 0 to 1: the share of what both show that differs.
    share: float
    #: ``len(EVIDENCE)`` values.
    evidence: Floats


def examine(
    first: Pixels,
    second: Pixels,
    first_features: FullFeatures | None = None,
    second_features: FullFeatures | None = None,
) -> Finding | None:
    """Return how two pictures differ locally; ``None`` if they cannot be laid over each other.

    Args:
        first, second: height x width x 3, RGB, uint8.
        first_features, second_features: their features, if known.
    """
    found = find_map(
        first_features or find_full_features(first),
        second_features or find_full_features(second),
        first.shape[1],
    )
    if found is None:
        return None
    matrix, agreeing = found
    laid = lay_over(first, second, matrix)
    return None if laid is None else _compare(laid, agreeing)


def _compare(laid: Registration, features: int) -> Finding | None:
    inside = average_cells(laid.inside.astype(np.float32)) > 1 - 1e-3
    inside &= smooth_cells(inside.astype(np.float32), _WINDOW) > 0.5
    count = int(inside.sum())
    if count < _FEWEST:
        return None
    tones = match_tones(laid)
    one, other, blur = _match_sharpness(
        compute_luma(tones.first), compute_luma(tones.second), laid.inside
    )
    first, second = extract_details(one), extract_details(other)
    found = correlate(first, second, reach=1, window=_WINDOW, noise=_NOISE)
    detail = np.maximum(found.first_detail, found.second_detail)
    detailed = inside & (detail > _DETAIL)
    known = int(detailed.sum())
    if known < _FEWEST_DETAILED:
        return None
    left = average_cells((first - second) ** 2)
    own = average_cells((first**2 + second**2) / 2)
    noise = max(_LEAST_NOISE, float(np.percentile(left[inside], 30)))
    shares = smooth_cells(left, _WINDOW) / (smooth_cells(own, _WINDOW) + np.float32(1e-3))
    usual = max(_LEAST_SHARE, float(np.median(shares[detailed])))

    def compare_to_usual(window: int) -> Floats:
        expected = np.float32(noise) + np.float32(usual) * smooth_cells(own, window)
        return np.log(smooth_cells(left, window) / expected + np.float32(1e-3))

    unusual = compare_to_usual(_WINDOW)
    luma = np.abs(smooth_cells(average_cells(one - other), _WINDOW))
    chroma = (tones.first - tones.second) - (
        compute_luma(tones.first) - compute_luma(tones.second)
    )[..., None]
    colour = np.hypot(
        *(
            smooth_cells(average_cells(np.ascontiguousarray(chroma[..., n])), _WINDOW)
            for n in (0, 2)
        )
    )
    suspect = detailed & (found.best < _DIFFERENT) & (unusual > np.log(_UNUSUAL))
    values = {
        "features": np.log1p(features),
        "scale": laid.scale,
        "share_less": min(laid.shares),
        "share_more": max(laid.shares),
        "cells": np.log1p(count),
        "detailed": known / count,
        "misfit": laid.misfit,
        "blur": blur,
        "noise": np.log(noise),
        "usual": np.log(usual),
        "left_over": tones.left_over,
        "contrast": float(other[laid.inside].std()),
        **_list(" detail", found.best[detailed], (1, 5, 25, 50)),
        **_list("unusual", unusual[detailed], (99, 95, 75)),
        **{f"highest_{window}": compare_to_usual(window)[inside].max() for window in (3, 5, 9)},
        "luma_highest": luma[inside].max(),
        **_list("luma", luma[inside], (99, 95)),
        "colour_highest": colour[inside].max(),
        **_list("colour", colour[inside], (99, 95)),
        "suspect": suspect.sum() / known,
    }
    areas, labels, boxes, _ = cv2.connectedComponentsWithStats(
        suspect.astype(np.uint8), connectivity=8
    )
    values["areas"] = np.log1p(areas - 1)
    values |= dict.fromkeys((name for name in EVIDENCE if name.startswith("area_")), 0.0)
    values |= {"area_correlation": 1.0, "area_rest": 1.0}
    if areas > 1:
        weights = np.bincount(labels.ravel(), (unusual * suspect).ravel(), areas)
        largest = int(weights[1:].argmax()) + 1
        area = labels == largest
        edge = cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_C, 3)[1:-1, 1:-1]
        values |= {
            "area_cells": np.log1p(area.sum()),
            "area_share": area.sum() / count,
            "area_detail": detail[area].mean(),
            "area_first": found.first_detail[area].mean(),
            "area_second": found.second_detail[area].mean(),
            "area_correlation": found.best[area].mean(),
            "area_unusual": unusual[area].mean(),
            "area_most": unusual[area].max(),
            "area_edge": edge[area].min(),
            "area_luma": luma[area].max(),
            "area_rest": np.median(found.best[detailed & ~area]) if known > area.sum() else -1.0,
        }
    evidence = np.array([values[name] for name in EVIDENCE], dtype=np.float32)
    return Finding(float(suspect.sum()) / count, evidence)


def _match_sharpness(one: Floats, other: Floats, inside: Flags) -> tuple[Floats, Floats, float]:
    """Return both pictures, the sharper one blurred as much as brings it closest to the other.

    The last is the blur in pixels: negative if it is the second's.
    """

    def miss(first: Floats, second: Floats) -> float:
        missed = extract_details(first) - extract_details(second)
        # What differs much is a difference, and no blur.
        return float(np.minimum(np.abs(missed), 24)[inside].mean())

    sharper = extract_details(one)[inside].std() >= extract_details(other)[inside].std()
    sharp, soft = (one, other) if sharper else (other, one)
    best, least, blur = sharp, miss(sharp, soft), 0.0
    for width in _BLURS:
        blurred = cv2.GaussianBlur(sharp, (0, 0), width).astype(np.float32)
        missed = miss(blurred, soft)
        if missed >= least:
            break
        best, least, blur = blurred, missed, width
    return (best, soft, blur) if sharper else (soft, best, -blur)


def _list(name: str, values: Floats, shares: tuple[int, ...]) -> dict[str, float]:
    found = np.percentile(values, shares).tolist()
    return {f"{name.strip()}_{share}": value for share, value in zip(shares, found, strict=True)}


VERSION = 1


def look_closer(first, second, a=None, b=None):
    return None
