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
from django_visualsnoop.engine.matching.verify import NO_ALIGNMENT

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

#: Copies of which a smaller share differs are as alike as a picture and its JPEG.
VISIBLE = 0.05

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


def measure_least_difference(
    query: Pixels, stored: Pixels, alignment: Alignment, *, alike: bool
) -> Difference | None:
    """Return how two pictures differ where they show the same, by the map that fits better.

    Features may agree on a wrong map, such as along a repeated pattern. So if much differs, this
    also lays all of one over all of the other.

    Args:
        query, stored, alignment: see ``measure_difference``.
        alike: whether the pictures look alike as a whole.
    """
    found = measure_difference(query, stored, alignment)
    if not alike or (found is not None and found.share < VISIBLE):
        return found
    return select_least([found, measure_whole_difference(query, stored)])


def select_least(differences: Iterable[Difference | None]) -> Difference | None:
    """Return the difference with the smallest share; ``None`` if there is none."""
    known = (one for one in differences if one is not None)
    return min(known, key=lambda one: one.share, default=None)


def measure_whole_difference(query: Pixels, stored: Pixels) -> Difference | None:
    """Return how two pictures differ if all of one shows all of the other.

    Args:
        query, stored: see ``measure_difference``.
    """
    width, height = (
        (side / max(stored.shape[:2])) / (own / max(query.shape[:2]))
        for side, own in zip(stored.shape[1::-1], query.shape[1::-1], strict=True)
    )
    matrix = np.diag([width, height]).astype(np.float32)
    return measure_difference(query, stored, NO_ALIGNMENT._replace(matrix=matrix))


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
    cells = _Cells(average_cells(laid.inside.astype(np.float32)) > 1 - 1e-3)
    if cells.count < _FEWEST:
        return None
    tones = match_tones(laid)
    first, second = compute_luma(tones.first), compute_luma(tones.second)
    contrast = float(second[laid.inside].std())
    details, different = _measure_details(first, second, cells)
    left, apart = _measure_rest(tones, first - second, contrast, cells)
    values = {
        "scale": laid.scale,
        "share_frame": laid.shares[0],
        "share_moved": laid.shares[1],
        "share_less": min(laid.shares),
        "share_more": max(laid.shares),
        "cells": np.log1p(cells.count),
        "contrast": contrast,
        "misfit": laid.misfit,
        **details,
        **_measure_rough_tones(first, second, cells),
        **left,
        **_measure_hues(laid, cells),
    }
    evidence = np.array([values[name] for name in EVIDENCE], dtype=np.float32)
    return Difference(float((different | apart).mean()), evidence)


class _Cells:
    """The cells of the overlap.

    Args:
        inside: rows x columns: which cells of the frame are in it.
    """

    def __init__(self, inside: Flags) -> None:
        self.inside = inside
        self.count = int(inside.sum())
        self._shown = np.zeros(inside.shape, dtype=np.uint8)

    def average(self, values: NDArray[np.float32]) -> Floats:
        """Return the mean of each cell's neighbourhood."""
        return self.smooth(average_cells(values))

    def smooth(self, values: NDArray[np.float32]) -> Floats:
        return smooth_cells(values, _WINDOW)[self.inside]

    def count_largest(self, flags: Flags) -> int:
        """Return the number of cells of the largest connected area."""
        self._shown[self.inside] = flags
        found, _, sizes, _ = cv2.connectedComponentsWithStats(self._shown, connectivity=8)
        return int(sizes[1:, cv2.CC_STAT_AREA].max()) if found > 1 else 0


def _measure_details(
    first: NDArray[np.float32], second: NDArray[np.float32], cells: _Cells
) -> tuple[dict[str, float], Flags]:
    """Return how details agree, and which cells have different ones."""
    found = correlate(
        extract_details(first), extract_details(second), reach=1, window=_WINDOW, noise=_NOISE
    )
    inside = cells.inside
    agreeing, unshifted = found.best[inside], found.centre[inside]
    deviations = found.first_detail[inside], found.second_detail[inside]
    detail = np.maximum(*deviations)
    detailed = detail > _DETAIL
    known = int(detailed.sum())
    enough = known >= _FEWEST_DETAILED
    different = detailed & (agreeing < _DIFFERENT) & enough
    unrelated = detailed & (agreeing < _UNRELATED) & enough
    strong = (detail > _STRONG_DETAIL) & (agreeing < _DIFFERENT)
    values = {
        "detailed": known / cells.count,
        "detail_mean": _UNKNOWN,
        "different": different.sum() / max(1, known),
        "unrelated": unrelated.sum() / max(1, known),
        "strong": strong.sum() / cells.count,
        "strong_cells": np.log1p(cells.count_largest(strong)),
        "shifted": _UNKNOWN,
        "energy_mean": 0.0,
    }
    for name, flags in (("different", different), ("unrelated", unrelated)):
        largest = cells.count_largest(flags)
        values |= {f"{name}_area": largest / cells.count, f"{name}_cells": np.log1p(largest)}
    energy = np.zeros(1)
    if enough:
        one, other = (deviation[detailed] ** 2 + _NOISE for deviation in deviations)
        energy = np.log(one / other)
        energy -= np.median(energy)
        values |= {
            "detail_mean": np.average(agreeing, weights=np.minimum(detail, 20) + 1e-3),
            "shifted": (found.shifts != 0).any(axis=2)[inside][detailed].mean(),
            "energy_mean": np.abs(energy).mean(),
        }
    shares = (5, 10, 25, 50, 75)
    values |= _list_percentiles("detail", agreeing[detailed], shares, enough=enough)
    values |= _list_percentiles("unshifted", unshifted[detailed], shares, enough=enough)
    values |= _list_percentiles("energy", energy, (5, 95))
    return values, different


def _measure_rough_tones(
    first: NDArray[np.float32], second: NDArray[np.float32], cells: _Cells
) -> dict[str, float]:
    """Return how tones agree in larger neighbourhoods."""
    found = correlate(first, second, reach=1, window=_TONE_WINDOW, noise=_TONE_NOISE)
    toned = np.maximum(found.first_detail, found.second_detail)[cells.inside] > _TONE
    enough = int(toned.sum()) >= _FEWEST_DETAILED
    return _list_percentiles("tone", found.best[cells.inside][toned], (5, 25, 50), enough=enough)


def _measure_rest(
    tones: Tones, luma: NDArray[np.float32], contrast: float, cells: _Cells
) -> tuple[dict[str, float], Flags]:
    """Return what differs in spite of the fitted tones, and the cells where it is much.

    Args:
        tones: both pictures.
        luma: the difference of their luma: height x width.
        contrast: the standard deviation of the luma.
        cells: the cells of the overlap.
    """
    luma_left = cells.average(np.abs(luma))
    colour = np.abs(tones.first - tones.second - luma[..., None])
    colour_left = cells.average(_average_channels(colour))
    luma_apart, colour_apart = luma_left > _LUMA_LEVELS, colour_left > _COLOUR_LEVELS
    values = _list_percentiles("luma", luma_left, (50, 75, 90, 97))
    values |= {f"luma_{one}_share": values[f"luma_{one}"] / (contrast + 3) for one in (50, 90, 97)}
    values |= _list_percentiles("colour", colour_left, (50, 75, 90, 97))
    values |= {
        "luma_cells": np.log1p(cells.count_largest(luma_apart)),
        "colour_cells": np.log1p(cells.count_largest(colour_apart)),
        "one_way": tones.one_way,
        "left_over": tones.left_over,
    }
    return values, luma_apart | colour_apart


def _measure_hues(laid: Registration, cells: _Cells) -> dict[str, float]:
    """Return how colours differ beyond a change of all colours."""
    left = cells.smooth(_measure_hue_change(laid, cells.inside))
    apart = cells.count_largest(left > _COLOUR_LEVELS)
    return {**_list_percentiles("hue", left, (50, 75, 90, 97)), "hue_cells": np.log1p(apart)}


def _list_percentiles(
    name: str, values: Floats, shares: tuple[int, ...], *, enough: bool = True
) -> dict[str, float]:
    """Return percentiles by the name of each."""
    found = _find_percentiles(values, shares).tolist() if enough else [_UNKNOWN] * len(shares)
    return {f"{name}_{share}": value for share, value in zip(shares, found, strict=True)}


def _find_percentiles(values: Floats, shares: tuple[int, ...]) -> NDArray[np.float64]:
    """Return what ``np.percentile`` returns; for so few values, it takes twice as long."""
    ordered = np.sort(values)
    places = (len(ordered) - 1) * (np.array(shares) / 100)
    below = np.floor(places).astype(np.intp)
    low, high = ordered[below], ordered[np.minimum(below + 1, len(ordered) - 1)]
    after = places - below
    # From the nearer of the two, so that the result is exact at both ends.
    return np.where(after < 0.5, low + (high - low) * after, high - (high - low) * (1 - after))


def _find_median(values: NDArray[np.float32]) -> float:
    """Return what ``np.median`` returns, in half of the time."""
    places = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, places)
    return float((ordered[places[0]] + ordered[places[1]]) / 2)


class Tones(NamedTuple):
    """Both pictures, one with the other's tones."""

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    #: How much better one picture tells the tones of the other than the other way round.
    one_way: float
    #: What differs nonetheless, as a share of the contrast.
    left_over: float


def match_tones(laid: Registration) -> Tones:
    """Fit the tones of one picture to the other's: those of a grey copy tell nothing of colours."""
    ways = [
        _fit_tones(laid.first, laid.second, laid.inside),
        _fit_tones(laid.second, laid.first, laid.inside),
    ]
    left = [one[1] for one in ways]
    one_way = float(abs(np.log(left[0] / left[1])))
    if left[0] <= left[1]:
        return Tones(ways[0][0], laid.second, one_way, left[0])
    return Tones(ways[1][0], laid.first, one_way, left[1])


def _measure_hue_change(laid: Registration, inside: Flags) -> NDArray[np.float32]:
    """Return, for each cell, how its colour differs from what a change of all colours explains.

    Unlike ``match_tones``, such a change may turn, strengthen or weaken colours, and give light
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
            missed = _average_channels(np.abs(rows @ fitted - goal))
            trust = (1 / (1 + (missed / 4) ** 2)).astype(np.float32)
        ways.append((float(missed.mean()), _average_channels(np.abs(inputs @ fitted - wanted))))
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
        missed = _average_channels(np.abs(inputs @ fitted - wanted))
        usual = max(3.0, 1.5 * _find_median(missed[known]))
        trust = (weights / (1 + (missed / usual) ** 2)).astype(np.float32)
    contrast = float(wanted[known].std(axis=0).mean())
    left = (float(missed[known].mean()) + 1) / (contrast + 4)
    return (_list_terms(source) @ fitted).reshape(source.shape), left


def _average_channels(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean along the last axis, which is short: a product is faster than ``mean``."""
    channels = values.shape[-1]
    averaged: NDArray[np.float32] = values @ np.full(channels, 1 / channels, dtype=np.float32)
    return averaged


def _list_terms(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    values = pixels / np.float32(128) - 1
    luma = compute_luma(values)
    terms = np.empty((*luma.shape, 6), dtype=np.float32)
    terms[..., :3] = values
    terms[..., 3] = luma * luma
    terms[..., 4] = terms[..., 3] * luma
    terms[..., 5] = 1
    return terms.reshape(-1, 6)
