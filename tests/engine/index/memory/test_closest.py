"""The images whose vectors are closest to one."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.index.base import CloseImage
from django_visualsnoop.engine.index.memory import closest as module
from django_visualsnoop.engine.index.memory.closest import iter_closest
from django_visualsnoop.engine.index.memory.codes import pack_signs
from django_visualsnoop.engine.index.memory.embeddings import EmbeddingSegment
from django_visualsnoop.engine.index.memory.ids import build_ids
from django_visualsnoop.engine.index.memory.layers import Visible
from tests.engine.index.memory.brute_force import find_closest

if TYPE_CHECKING:
    from numpy.typing import NDArray


def segment(**vectors: tuple[int, ...]) -> EmbeddingSegment:
    """Return a segment without signs."""
    rows = np.array(list(vectors.values()), dtype=np.int8)
    return EmbeddingSegment(build_ids(list(vectors)), rows, ())


PROBE = np.array([100, 0], dtype=np.int8)
FIRST = segment(c=(100, 0), far=(-100, 0), a=(50, 0))
SECOND = segment(b=(100, 0), near=(100, 100))


def test_they_come_by_cosine_and_equally_close_ones_by_id() -> None:
    found = find_closest([Visible(FIRST, None), Visible(SECOND, None)], PROBE, 10)
    assert found == [
        *(CloseImage(image_id, 1.0) for image_id in "abc"),
        CloseImage("near", 0.707107),
        CloseImage("far", -1.0),
    ]


@pytest.mark.parametrize(("limit", "ids"), [(0, ""), (1, "a"), (2, "ab"), (3, "abc")])
@pytest.mark.parametrize("first", [1, 100])
def test_of_equally_close_ones_the_limit_takes_the_first_by_id(
    limit: int, ids: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PORTION", first)
    found = find_closest([Visible(FIRST, None), Visible(SECOND, None)], PROBE, limit)
    assert [one.image_id for one in found] == list(ids)


def test_only_what_may_be_found_is() -> None:
    parts = [Visible(FIRST, np.array([False, True, True])), Visible(SECOND, np.array([False] * 2))]
    assert [one.image_id for one in find_closest(parts, PROBE, 10)] == ["a", "far"]
    assert find_closest([], PROBE, 10) == []


def test_vectors_of_another_length_are_passed_over() -> None:
    other = segment(long=(100, 0, 0))
    found = find_closest([Visible(other, None), Visible(SECOND, None)], PROBE, 1)
    assert [one.image_id for one in found] == ["b"]
    assert find_closest([Visible(other, None)], PROBE, 1) == []


def test_a_zero_vector_is_at_right_angles_to_all() -> None:
    zero = segment(zero=(0, 0), near=(1, 0))
    assert find_closest([Visible(zero, None)], PROBE, 2) == [("near", 1.0), ("zero", 0.0)]
    found = find_closest([Visible(zero, None)], np.zeros(2, dtype=np.int8), 2)
    assert found == [("near", 0.0), ("zero", 0.0)]


@pytest.mark.parametrize("width", [1040, 4096])
def test_cosines_are_exact_whatever_the_length(width: int) -> None:
    dice = np.random.default_rng(width)
    rows = dice.integers(100, 128, (5, width)).astype(np.int8)
    (found,) = iter_closest(
        [Visible(EmbeddingSegment(build_ids("abcde"), rows, ()), None)], rows[0]
    )
    whole = rows.astype(np.int64)
    squares = np.einsum("nk,nk->n", whole, whole)
    expected = (whole @ whole[0] / np.sqrt(squares * squares[0])).round(6)
    assert {one.image_id: one.cosine for one in found} == dict(
        zip("abcde", expected.tolist(), strict=True)
    )


class Large:
    """A collection that is not compared completely, in two segments, with gaps.

    Vectors are in clusters, as those of pictures are.
    """

    def __init__(self, seed: int, size: int = 3000, width: int = 256) -> None:
        dice = np.random.default_rng(seed)
        centres = dice.normal(size=(60, width))
        values = centres[dice.integers(60, size=size)] + dice.normal(size=(size, width))
        self.vectors = np.clip(values * 30, -127, 127).astype(np.int8)
        self.ids = [f"{number:04}" for number in dice.permutation(size)]
        self.kept = dice.random(size) < 0.9
        middle = size // 3
        self.parts = [
            self._part(slice(0, middle), None),
            self._part(slice(middle, size), self.kept[middle:]),
        ]
        self.kept[:middle] = True

    def _part(self, rows: slice, kept: NDArray[np.bool_] | None) -> Visible[EmbeddingSegment]:
        vectors = self.vectors[rows]
        built = EmbeddingSegment(build_ids(self.ids[rows]), vectors, pack_signs(vectors))
        return Visible(built, kept)

    def rank(self, probe: NDArray[np.int8]) -> list[CloseImage]:
        """Return all images, by comparing all."""
        values, one = self.vectors.astype(float), probe.astype(float)
        lengths = np.linalg.norm(values, axis=1) * np.linalg.norm(one)
        cosines = (values @ one / lengths).round(6)
        every = zip(self.ids, cosines.tolist(), self.kept.tolist(), strict=True)
        found = [CloseImage(image_id, cosine) for image_id, cosine, kept in every if kept]
        return sorted(found, key=lambda one: (-one.cosine, one.image_id))


@pytest.fixture(params=range(3))
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Large:
    monkeypatch.setattr(module, "EXACT", 100)
    monkeypatch.setattr(module, "FIRST_PORTION", 10)
    monkeypatch.setattr(module, "_LEAST_COMPARED", 0)
    monkeypatch.setattr(module, "_COMPARED", 10)
    return Large(request.param)


@pytest.mark.parametrize("min_cosine", [-1.0, 0.1, 0.4, 1.0])
def test_portions_of_a_large_collection_have_each_image_once(
    large: Large, min_cosine: float
) -> None:
    probe = large.vectors[7]
    expected = [one for one in large.rank(probe) if one.cosine >= min_cosine]
    portions = list(iter_closest(large.parts, probe, min_cosine))
    assert sorted(chain.from_iterable(portions)) == sorted(expected)
    assert portions[0] == expected[:10]
    for portion in portions:
        assert portion == sorted(portion, key=lambda one: (-one.cosine, one.image_id))
    sizes = [10 * 4**number for number in range(len(portions))]
    assert list(map(len, portions))[:-1] == sizes[:-1]


def test_portions_do_not_depend_on_how_many_are_taken(large: Large) -> None:
    probe = large.vectors[7]
    every = list(chain.from_iterable(iter_closest(large.parts, probe)))
    for limit in (0, 1, 10, 11, 49, 50, 51, 500, 5000):
        assert find_closest(large.parts, probe, limit) == every[:limit]
        some = islice(chain.from_iterable(iter_closest(large.parts, probe, 0.2)), limit)
        assert list(some) == [one for one in every if one.cosine >= 0.2][:limit] or limit > 10


def test_a_small_collection_is_in_exact_order() -> None:
    small = Large(5)
    assert len(small.ids) < module.EXACT
    probe = small.vectors[3]
    assert list(chain.from_iterable(iter_closest(small.parts, probe))) == small.rank(probe)


def test_opposite_vectors_do_not_come_first(large: Large) -> None:
    probe = -large.vectors[7]
    found = list(chain.from_iterable(iter_closest(large.parts, probe)))
    assert found[-1] == CloseImage(large.ids[7], -1.0)
