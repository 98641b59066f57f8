"""Limits on what one request may search."""

from __future__ import annotations

import pytest

from django_visualsnoop.common.budgets import Budget


@pytest.mark.parametrize(
    ("given", "taken", "left", "complete"),
    [("", "", 3, True), ("ab", "ab", 1, True), ("abc", "abc", 0, True), ("abcd", "abc", 0, False)],
)
def test_as_many_are_searched_as_it_allows(
    given: str, taken: str, left: int, complete: bool
) -> None:
    budget = Budget(searches=3)
    assert budget.take_searches(given) == list(taken)
    assert (budget.searches, budget.complete) == (left, complete)


def test_what_was_taken_before_counts() -> None:
    budget = Budget(searches=3)
    budget.take_searches("ab")
    assert budget.take_searches("cd") == ["c"]
    assert not budget.complete
    assert budget.take_searches("") == []
    assert not budget.complete


def test_no_more_ids_are_read_than_it_takes() -> None:
    ids = iter("abcdef")
    Budget(searches=2).take_searches(ids)
    assert list(ids) == list("def")  # one more was read, to know that there are more
