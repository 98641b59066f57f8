"""Which row of a group is proposed to be kept."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.common.edits import Box, Edits
from django_visualsnoop.common.proposals import Candidate, note_edits, order_candidates
from tests.testapp.models import Product

WHOLE = Box(0.0, 0.0, 1.0, 1.0)


def edits(**values: Any) -> Edits:
    """Return how one picture differs from another: by these values only."""
    unchanged = Edits(
        mirrored=False,
        turn=0.0,
        scale=1.0,
        part_of_first=WHOLE,
        part_of_second=WHOLE,
        is_cropped=False,
        is_framed=False,
        extends=False,
        tone="",
        changed=None,
        is_captioned=False,
        matrix=(1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    )
    return unchanged._replace(**values)


def candidate(key: int, **values: Any) -> Candidate:
    return Candidate(Product(pk=key), str(key), "photo", age=key, **values)


def propose(*candidates: Candidate, **rule: Any) -> str:
    return order_candidates(candidates, **rule)[0].key


@pytest.mark.parametrize("done", [{"is_framed": True}, {"is_cropped": True}, {"tone": "grey"}])
def test_an_original_before_its_larger_copy(done: dict[str, Any]) -> None:
    original, copy = candidate(2, pixels=100), candidate(1, pixels=900)
    note_edits([original, copy], {("2", "1"): edits(**done), ("1", "2"): edits()})
    assert propose(copy, original) == "2"


def test_an_original_before_its_younger_copy_with_a_caption() -> None:
    original, copy = candidate(1, pixels=100), candidate(2, pixels=900)
    found = {("1", "2"): edits(is_captioned=True), ("2", "1"): edits(is_captioned=True)}
    note_edits([original, copy], found)
    assert (original.edits, copy.edits) == (set(), {"captioned"})
    assert propose(copy, original) == "1"


@pytest.mark.parametrize("done", [{"mirrored": True}, {"turn": 90.0}])
def test_of_two_ways_round_the_older_is_the_original(done: dict[str, Any]) -> None:
    original, copy = candidate(1, file_size=10), candidate(2, file_size=90)
    note_edits([original, copy], {("1", "2"): edits(**done), ("2", "1"): edits(**done)})
    assert propose(copy, original) == "1"


def test_of_three_what_most_pictures_are() -> None:
    one, two, three = (candidate(key, pixels=key) for key in (1, 2, 3))
    found = {("1", "2"): edits(mirrored=True), ("1", "3"): edits(mirrored=True)}
    note_edits([one, two, three], found)
    assert one.edits == {"mirrored"}
    assert propose(one, two, three) == "3"


def test_pixels_then_bytes_then_age_then_related_rows() -> None:
    assert propose(candidate(1, pixels=1, file_size=9), candidate(2, pixels=2)) == "2"
    assert propose(candidate(1, file_size=1), candidate(2, file_size=2)) == "2"
    assert propose(candidate(2, related=9), candidate(1)) == "1"
    same_age = [candidate(1), candidate(2, related=1)]
    same_age[1].age = 1
    assert propose(*same_age) == "2"


def test_a_rule_of_ones_own() -> None:
    rows = [candidate(1, pixels=9), candidate(2, related=5)]
    assert propose(*rows, rule=["related", "pixels"]) == "2"
    assert propose(*rows, rule=[lambda one: one.row.pk]) == "2"
    with pytest.raises(ImproperlyConfigured, match=r"'newest', which does not exist\. Use one"):
        propose(*rows, rule=["newest"])
