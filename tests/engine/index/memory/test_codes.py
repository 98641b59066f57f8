"""Vectors, found by their signs and compared by cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS
from django_visualsnoop.engine.index.base import CandidateQuery
from django_visualsnoop.engine.index.memory import codes
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from tests.engine.index.memory.brute_force import made

if TYPE_CHECKING:
    import pytest


def test_of_many_the_closest_by_their_signs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are found through each of the three steps; what is left out is farther by signs."""
    monkeypatch.setattr(codes, "_SAMPLE", 256)
    monkeypatch.setattr(codes, "_PASSING", 100)
    monkeypatch.setattr("django_visualsnoop.engine.index.memory.candidates.RESCORED", 10)
    dice = np.random.default_rng(5)
    index = DescriptorIndex()
    images = {str(number): made(dice, 0) for number in range(3000)}
    for image_id, descriptor in images.items():
        index.put(image_id, descriptor.to_bytes())
    for number in range(50):
        vector = images[str(number)].vector.astype(float) + dice.normal(0, 30, DIMENSIONS)
        probe = np.clip(vector, -127, 127).astype(np.int8)
        for allowed in (None, {str(other) for other in range(number, number + 5)}):
            query = CandidateQuery(probe[None], [], 1, allowed=allowed)
            assert [one.image_id for one in index.find_candidates(query)] == [str(number)]
        others = {str(other) for other in range(1000, 3000)}
        query = CandidateQuery(probe[None], [], 5, allowed=others)
        assert {one.image_id for one in index.find_candidates(query)} <= others


def test_where_most_of_the_closest_are_not_allowed_others_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(codes, "_SAMPLE", 64)
    monkeypatch.setattr(codes, "_PASSING", 8)
    monkeypatch.setattr("django_visualsnoop.engine.index.memory.candidates.RESCORED", 8)
    index = DescriptorIndex()
    for number in range(600):
        vector = np.full(DIMENSIONS, 100 if number < 400 else -100, dtype=np.int8)
        index.put(
            str(number), made(np.random.default_rng(number), 0)._replace(vector=vector).to_bytes()
        )
    probe = np.full((1, DIMENSIONS), 100, dtype=np.int8)
    far = {str(number) for number in range(400, 600)}
    found = index.find_candidates(CandidateQuery(probe, [], 8, allowed=far))
    assert len(found) == 8
    assert {one.image_id for one in found} <= far
