"""Options of a search are checked where they are made."""

from __future__ import annotations

import re
from typing import Any

import pytest

from django_visualsnoop.common.search_options import DEFAULT_OPTIONS, SearchOptions


def test_by_default_copies_without_a_threshold_of_the_caller() -> None:
    assert SearchOptions() == DEFAULT_OPTIONS == SearchOptions(None, None, None, "copies")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit must be at least 1, not 0."),
        ({"limit": -3}, "limit must be at least 1, not -3."),
        ({"min_similarity": -0.1}, "min_similarity must be between 0 and 1, not -0.1."),
        ({"min_similarity": 85}, "min_similarity must be between 0 and 1, not 85."),
        ({"min_similarity": float("nan")}, "min_similarity must be between 0 and 1, not nan."),
        ({"kind": "alike"}, "kind must be 'copies' or 'similar', not 'alike'."),
    ],
)
def test_a_value_that_is_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SearchOptions(**options)


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 1, 1.0, None])
def test_thresholds_from_0_to_1(value: float | None) -> None:
    assert SearchOptions(min_similarity=value).min_similarity == value
