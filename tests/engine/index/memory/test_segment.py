"""Segments: what they hold of descriptors, in arrays that lie apart."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS
from django_visualsnoop.engine.index.memory import segment as module
from django_visualsnoop.engine.index.memory.ids import build_ids, build_wanted
from django_visualsnoop.engine.index.memory.segment import (
    SECTIONS,
    Segment,
    allocate,
    build_segment,
    build_vector_segment,
    copy_apart,
)
from tests.engine.index.memory.brute_force import made

DICE = np.random.default_rng(8)
#: With several numbers of features, in no order.
IMAGES = {str(number): made(DICE, count) for number, count in enumerate((3, 0, 9, 3, 1))}


def built() -> Segment:
    return build_segment({image_id: one.to_bytes() for image_id, one in IMAGES.items()})


def test_a_segment_holds_what_the_descriptors_say() -> None:
    segment = built()
    assert segment.size == len(IMAGES)
    assert segment.ids.get_ids(np.arange(segment.size)) == list(IMAGES)
    words = np.repeat(segment.lists.words, np.diff(segment.lists.starts))
    for slot, one in enumerate(IMAGES.values()):
        assert (segment.vectors[slot] == one.vector).all()
        own = segment.lists.slots == slot
        held = sorted(zip(words[own].tolist(), segment.lists.codes[own].tolist(), strict=True))
        assert held == sorted(zip(one.words.tolist(), one.codes.tolist(), strict=True))


def test_a_segment_is_made_of_its_arrays() -> None:
    segment = built()
    arrays = segment.arrays()
    assert list(arrays) == list(SECTIONS)
    assert all(arrays[name].dtype == kind for name, (kind, _) in SECTIONS.items())
    again = Segment.from_arrays(arrays)
    assert (again.vectors == segment.vectors).all()
    assert again.ids.find_slots(build_wanted(["2"])).tolist() == [2]


def test_a_copy_shares_no_memory() -> None:
    segment = built()
    copy = copy_apart(segment)
    for name, values in copy.arrays().items():
        assert (values == segment.arrays()[name]).all()
        assert not np.shares_memory(values, segment.arrays()[name])


@pytest.mark.parametrize("rows", [0, 3, 5000])
def test_room_for_rows(rows: int) -> None:
    """Large arrays have pages of their own, and are as writable as small ones."""
    for width, shape in ((1, (rows,)), (DIMENSIONS, (rows, DIMENSIONS))):
        found = allocate(rows, width, np.int8)
        assert found.shape == shape
        assert found.dtype == np.int8
        found[...] = 7
        assert (found == 7).all()


def test_of_vectors_alone_the_signs_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 2)
    segment = built()
    vectors = build_vector_segment(build_ids(list(IMAGES)), segment.vectors)
    for column, expected in zip(vectors.bits, segment.bits, strict=True):
        assert (column == expected).all()
    assert len(vectors.lists.words) == 0
