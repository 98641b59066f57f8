"""Thresholds that fit labels."""

from __future__ import annotations

import pytest

from django_visualsnoop.reports.thresholds import (
    ENOUGH,
    Label,
    count_errors,
    fit_threshold,
    has_too_few,
)

LABELS = [Label(0.95, True), Label(0.81, True), Label(0.8, False), Label(0.3, False)]


def test_errors_on_both_sides() -> None:
    fit = count_errors(LABELS, 0.9)
    assert (fit.missed, fit.wrong, fit.errors, fit.count) == (1, 0, 1, 4)
    assert count_errors(LABELS, 0.8).wrong == 1
    assert count_errors(LABELS, 0.81).errors == 0


@pytest.mark.parametrize(
    ("labels", "current", "threshold", "errors"),
    [
        (LABELS, 0.5, 0.805, 0),  # with as few decimal places as there is room for
        (LABELS, 0.807, 0.807, 0),  # already right
        ([*LABELS, Label(0.96, False)], 0.5, 0.805, 1),
        ([Label(0.7, True)], 0.9, 0.69, 0),  # no further down than there are labels
        ([Label(0.7, False)], 0.5, 0.71, 0),
        ([Label(0.9999987, True), Label(0.9999981, False)], 0.5, 0.9999984, 0),
    ],
)
def test_the_fewest_errors(
    labels: list[Label], current: float, threshold: float, errors: int
) -> None:
    fit = fit_threshold(labels, current)
    assert (fit.threshold, fit.errors) == (threshold, errors)
    assert fit == count_errors(labels, threshold)


def test_the_interval_is_wilsons() -> None:
    labels = [Label(0.9, True)] * 8 + [Label(0.9, False)] * 2
    low, high = count_errors(labels, 0.5).interval  # 2 of 10; the known values of Wilson's interval
    assert low == pytest.approx(0.0567, abs=1e-4)
    assert high == pytest.approx(0.5098, abs=1e-4)
    assert count_errors(labels[:8], 0.5).interval[0] == 0.0


def test_too_few() -> None:
    enough = [Label(0.9, True)] * ENOUGH + [Label(0.1, False)] * ENOUGH
    assert not has_too_few(enough)
    assert has_too_few(enough[1:])
    assert has_too_few(enough[:-1])
