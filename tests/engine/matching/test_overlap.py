"""How far pictures agree where they overlap."""

from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.matching.overlap import NO_OVERLAP, measure_overlap
from django_visualsnoop.engine.matching.verify import NO_ALIGNMENT, verify
from tests.engine.descriptors.test_descriptor import random_descriptor
from tests.engine.matching.test_verify import transformed


def test_an_overlap_of_copies_agrees_all_over() -> None:
    original = random_descriptor(128)
    other = transformed(original, 1.6, 10.0, seed=3)
    found = measure_overlap(original, other, verify(original, other))
    assert min(found.share, found.stored, found.query) > 0.8


def test_of_a_part_not_all_is_seen() -> None:
    original = random_descriptor(128)
    left = original.places[:, 0] < 90
    part = original._replace(
        codes=original.codes[left], words=original.words[left], places=original.places[left]
    )
    assert measure_overlap(original, original, verify(original, original)).whole == 1.0
    assert measure_overlap(original, part, verify(original, part)).whole < 0.6


def test_what_shares_one_half_does_not_agree_in_the_other() -> None:
    page, other = random_descriptor(128, 1), random_descriptor(128, 2)
    shared = (page.places[:, 1] < 120)[:, None]
    mixed = page._replace(
        codes=np.where(shared[:, 0], page.codes, other.codes),
        places=np.where(shared, page.places, other.places),
    )
    found = measure_overlap(page, mixed, verify(page, mixed))
    assert found.share < 0.7
    assert found.stored < 0.9  # some of the others lie in the shared half
    assert found.query < 0.8


def test_without_agreement_there_is_no_overlap() -> None:
    one = random_descriptor(20)
    assert measure_overlap(one, one, NO_ALIGNMENT) == NO_OVERLAP
    flat = verify(one, one)._replace(matrix=np.zeros((2, 2)))
    assert measure_overlap(one, one, flat) == NO_OVERLAP
