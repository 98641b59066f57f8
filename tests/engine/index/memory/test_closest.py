"""The images whose vectors are closest to one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from django_visualsnoop.engine.index.base import CloseImage
from django_visualsnoop.engine.index.memory import closest as module
from django_visualsnoop.engine.index.memory.closest import find_closest
from django_visualsnoop.engine.index.memory.ids import Ids, build_ids
from django_visualsnoop.engine.index.memory.layers import Visible


class Vectors(NamedTuple):
    """A segment of vectors of two values."""

    ids: Ids
    vectors: np.ndarray[tuple[int, ...], np.dtype[np.int8]]

    @property
    def size(self) -> int:
        return len(self.vectors)


def segment(**vectors: tuple[int, ...]) -> Vectors:
    return Vectors(build_ids(list(vectors)), np.array(list(vectors.values()), dtype=np.int8))


PROBE = np.array([100, 0], dtype=np.int8)
FIRST = segment(c=(100, 0), far=(-100, 0), a=(50, 0))
SECOND = segment(b=(100, 0), near=(100, 100))


def test_they_come_by_cosine_and_equally_close_ones_by_id() -> None:
    found = find_closest([Visible(FIRST, None), Visible(SECOND, None)], PROBE, 10)
    assert found == [
        *(CloseImage(image_id, 1.0) for image_id in "abc"),
        CloseImage("near", found[3].cosine),
        CloseImage("far", -1.0),
    ]
    assert found[3].cosine == pytest.approx(0.707107, abs=1e-6)


@pytest.mark.parametrize(("limit", "ids"), [(0, ""), (1, "a"), (2, "ab"), (3, "abc")])
def test_of_equally_close_ones_the_limit_takes_the_first_by_id(limit: int, ids: str) -> None:
    found = find_closest([Visible(FIRST, None), Visible(SECOND, None)], PROBE, limit)
    assert [one.image_id for one in found] == list(ids)


@pytest.mark.parametrize("few", [0.0, 1.0])
def test_only_what_may_be_found_is(monkeypatch: pytest.MonkeyPatch, few: float) -> None:
    monkeypatch.setattr(module, "_FEW", few)
    parts = [Visible(FIRST, np.array([False, True, True])), Visible(SECOND, np.array([False] * 2))]
    assert [one.image_id for one in find_closest(parts, PROBE, 10)] == ["a", "far"]


def test_vectors_of_another_length_are_passed_over() -> None:
    other = segment(long=(100, 0, 0))
    found = find_closest([Visible(other, None), Visible(SECOND, None)], PROBE, 1)
    assert [one.image_id for one in found] == ["b"]
    assert find_closest([Visible(other, None)], PROBE, 1) == []
