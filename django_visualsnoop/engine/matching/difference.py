"""Measure whether, and where, two pictures differ in the part that both show. Imports no Django.

What edits change everywhere, such as exposure, contrast and colour, is removed first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from django_visualsnoop.engine.matching.correlation import (
    average_cells,
    correlate,
    smooth_cells,
)
from django_visualsnoop.engine.matching.registration import (
    compute_luma,
    extract_details,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from django_visualsnoop.engine.matching.registration import Pixels, Registration
    from django_visualsnoop.engine.matching.verify import Alignment

    Floats = NDArray[np.floating]
    Flags = NDArray[np.bool_]

#: Neighbourhoods in which details, and tones, are compared, in cells.
_WINDOW, _TONE_WINDOW = 3, 5
#: Variances below which a neighbourhood is flat.
_NOISE, _TONE_NOISE = 6.0, 25.0
#: From these standard deviations on, a neighbourhood has details, strong details, or tones.
_DETAIL, _STRONG_DETAIL, _TONE = 3.5, 10.0, 6.0
#: Details that correlate less than this differ; less than this, they have nothing in common.
_DIFFERENT, _UNRELATED = 0.5, 0.2
#: Means of a neighbourhood differ from this many levels on, of luma and of colour.
_LUMA_LEVELS, _COLOUR_LEVELS = 15.0, 10.0
#: Overlaps with fewer cells say nothing.
_FEWEST = 6
#: With fewer detailed cells, percentiles say nothing: they are those of half-agreeing pictures.
_FEWEST_DETAILED, _UNKNOWN = 4, 0.5
#: Weights of the fitted tones are computed this many times …
_ROUNDS = 3
#: … from every second pixel in each direction.
_EVERY = 2

EVIDENCE = (
    "scale", "share_frame", "share_moved", "share_less", "share_more", "cells", "detailed",
    "contrast", "misfit",
    "detail_5", "detail_10", "detail_25", "detail_50", "detail_75",
    "unshifted_5", "unshifted_10", "unshifted_25", "unshifted_50", "unshifted_75",
    "detail_mean", "different", "unrelated", "different_area", "different_cells",
    "unrelated_area", "unrelated_cells", "strong", "strong_cells",
    "tone_5", "tone_25", "tone_50",
    "luma_50", "luma_75", "luma_90", "luma_97", "luma_50_share", "luma_90_share", "luma_97_share",
    "colour_50", "colour_75", "colour_90", "colour_97", "luma_cells", "colour_cells",
    "energy_5", "energy_95", "energy_mean", "one_way", "left_over",
    "hue_50", "hue_75", "hue_90", "hue_97", "hue_cells", "shifted",
)  # fmt: skip
"""Names of the values in ``Difference.evidence``."""


class Difference(NamedTuple):
    """How two pictures differ in the part that both show."""

    #: 0 to 1: the share of that part that differs.
    share: float
    #: ``len(EVIDENCE)`` values.
    evidence: NDArray[np.float32]


def measure_difference(query: Pixels, stored: Pixels, alignment: Alignment) -> Difference | None:
    """Return how two pictures differ where they show the same.

    Args:
        query, stored: height x width x 3, RGB, uint8.
        alignment: takes places of the query to the stored picture.

    Returns:
        ``None`` if too little of them overlaps.
    """
    laid = register(query, stored, alignment)
    if laid is None:
        return None
    # A cell counts if all of it is inside.
    inside = average_cells(laid.inside.astype(np.float32)) > 1 - 1e-3
    count = int(inside.sum())
    if count < _FEWEST:
        return None
    tones = _match_tones(laid)
    first, second = compute_luma(tones.first), compute_luma(tones.second)
    details = correlate(
        extract_details(first), extract_details(second), reach=1, window=_WINDOW, noise=_NOISE
    )
    rough = correlate(first, second, reach=1, window=_TONE_WINDOW, noise=_TONE_NOISE)
    agreeing, unshifted = details.best[inside], details.centre[inside]
    detail = np.maximum(details.first_detail, details.second_detail)[inside]
    detailed = detail > _DETAIL
    contrast = float(second[laid.inside].std())
    shown = np.zeros(inside.shape, dtype=np.uint8)

    def count_largest(flags: Flags) -> int:
        """Return the number of cells of the largest connected area."""
        shown[inside] = flags
        found, _, sizes, _ = cv2.connectedComponentsWithStats(shown, connectivity=8)
        return int(sizes[1:, cv2.CC_STAT_AREA].max()) if found > 1 else 0

    known = int(detailed.sum())
    enough = known >= _FEWEST_DETAILED
    different = detailed & (agreeing < _DIFFERENT) & enough
    unrelated = detailed & (agreeing < _UNRELATED) & enough
    strong = (detail > _STRONG_DETAIL) & (agreeing < _DIFFERENT)
    largest, largest_unrelated = count_largest(different), count_largest(unrelated)
    tone = rough.best[inside]
    toned = np.maximum(rough.first_detail, rough.second_detail)[inside] > _TONE
    luma_left = smooth_cells(average_cells(np.abs(first - second)), _WINDOW)[inside]
    apart = tones.first - tones.second
    apart -= (first - second)[..., None]
    colour_apart_by = np.abs(apart).mean(axis=2).astype(np.float32)
    colour_left = smooth_cells(average_cells(colour_apart_by), _WINDOW)[inside]
    energy = np.log(
        (details.first_detail[inside] ** 2 + _NOISE) / (details.second_detail[inside] ** 2 + _NOISE)
    )
    energy = energy[detailed] if enough else np.zeros(1)
    energy = energy - np.median(energy)
    hue_left = smooth_cells(_measure_hue_change(laid, inside), _WINDOW)[inside]
    hue_apart = hue_left > _COLOUR_LEVELS
    shifted = (details.shifts != 0).any(axis=2)[inside]
    luma_apart, colour_apart = luma_left > _LUMA_LEVELS, colour_left > _COLOUR_LEVELS
    luma = np.percentile(luma_left, (50, 75, 90, 97))
    evidence = [
        laid.scale, *laid.shares, min(laid.shares), max(laid.shares), np.log1p(count),
        known / count, contrast, laid.misfit,
        *_percentiles(agreeing[detailed], (5, 10, 25, 50, 75), enough=enough),
        *_percentiles(unshifted[detailed], (5, 10, 25, 50, 75), enough=enough),
        np.average(agreeing, weights=np.minimum(detail, 20) + 1e-3) if enough else _UNKNOWN,
        different.sum() / max(1, known), unrelated.sum() / max(1, known),
        largest / count, np.log1p(largest),
        largest_unrelated / count, np.log1p(largest_unrelated),
        strong.sum() / count, np.log1p(count_largest(strong)),
        *_percentiles(tone[toned], (5, 25, 50), enough=int(toned.sum()) >= _FEWEST_DETAILED),
        *luma, *(luma[[0, 2, 3]] / (contrast + 3)),
        *np.percentile(colour_left, (50, 75, 90, 97)),
        np.log1p(count_largest(luma_apart)), np.log1p(count_largest(colour_apart)),
        *np.percentile(energy, (5, 95)), np.abs(energy).mean(),
        tones.one_way, tones.left_over,
        *np.percentile(hue_left, (50, 75, 90, 97)), np.log1p(count_largest(hue_apart)),
        shifted[detailed].mean() if enough else _UNKNOWN,
    ]  # fmt: skip
    share = float((different | luma_apart | colour_apart).mean())
    return Difference(share, np.array(evidence, dtype=np.float32))


def _percentiles(values: Floats, wanted: Iterable[int], *, enough: bool) -> list[float]:
    wanted = list(wanted)
    if not enough:
        return [_UNKNOWN] * len(wanted)
    found: list[float] = np.percentile(values, wanted).tolist()
    return found


class _Tones(NamedTuple):
    """Both pictures, one with the other's tones."""

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    #: How much better one picture tells the tones of the other than the other way round.
    one_way: float
    #: What differs nonetheless, as a share of the contrast.
    left_over: float


def _match_tones(laid: Registration) -> _Tones:
    """Fit the tones of one picture to the other's: those of a grey copy tell nothing of colours."""
    ways = [
        _fit_tones(laid.first, laid.second, laid.inside),
        _fit_tones(laid.second, laid.first, laid.inside),
    ]
    left = [one[1] for one in ways]
    one_way = float(abs(np.log(left[0] / left[1])))
    if left[0] <= left[1]:
        return _Tones(ways[0][0], laid.second, one_way, left[0])
    return _Tones(ways[1][0], laid.first, one_way, left[1])


def _measure_hue_change(laid: Registration, inside: Flags) -> NDArray[np.float32]:
    """Return, for each cell, how its colour differs from what a change of all colours explains.

    Unlike ``_match_tones``, such a change may turn, strengthen or weaken colours, and give light
    a cast, but not give one of two greys a colour: that is how a thing is recoloured.
    """
    first, second = average_cells(laid.first), average_cells(laid.second)
    ways = []
    for source, target in ((first, second), (second, first)):
        inputs = np.dstack([_compute_chroma(source), compute_luma(source)])
        wanted = _compute_chroma(target)
        rows, goal = inputs[inside], wanted[inside]
        trust = np.ones(len(rows), dtype=np.float32)
        for _ in range(_ROUNDS):
            weighted = rows * trust[:, None]
            square = (weighted.T @ rows).astype(np.float64) + 10.0 * len(rows) * np.eye(3)
            fitted = np.linalg.solve(square, weighted.T @ goal).astype(np.float32)
            missed = np.abs(rows @ fitted - goal).mean(axis=1)
            trust = (1 / (1 + (missed / 4) ** 2)).astype(np.float32)
        ways.append((float(missed.mean()), np.abs(inputs @ fitted - wanted).mean(axis=2)))
    return min(ways, key=lambda way: way[0])[1].astype(np.float32)


def _compute_chroma(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how red and how blue each place is, against its luma: height x width x 2."""
    return pixels[..., ::2] - compute_luma(pixels)[..., None]


def _fit_tones(
    source: NDArray[np.float32], target: NDArray[np.float32], inside: Flags
) -> tuple[NDArray[np.float32], float]:
    """Return a picture with the tones of another, and what differs, as a share of the contrast.

    Each colour is a linear function of the three colours and of powers of the luma. Pixels that
    differ much count little (iteratively reweighted least squares).
    """
    some = np.s_[::_EVERY, ::_EVERY]
    weights = inside[some].ravel().astype(np.float32)
    inputs = _list_terms(source[some])
    wanted = target[some].reshape(-1, 3)
    known = weights > 0
    ridge = 1e-3 * float(weights.sum()) * np.diag([1, 1, 1, 1, 1, 1e-6])
    trust = weights
    for _ in range(_ROUNDS):
        weighted = inputs * trust[:, None]
        fitted = np.linalg.solve(
            (weighted.T @ inputs).astype(np.float64) + ridge, weighted.T @ wanted
        ).astype(np.float32)
        missed = np.abs(inputs @ fitted - wanted).mean(axis=1)
        usual = max(3.0, 1.5 * float(np.median(missed[known])))
        trust = (weights / (1 + (missed / usual) ** 2)).astype(np.float32)
    contrast = float(wanted[known].std(axis=0).mean())
    left = (float(missed[known].mean()) + 1) / (contrast + 4)
    return (_list_terms(source) @ fitted).reshape(source.shape), left


def _list_terms(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    values = pixels / np.float32(128) - 1
    luma = compute_luma(values)
    terms = np.dstack([values, luma**2, luma**3, np.ones_like(luma)])
    return terms.reshape(-1, 6)
