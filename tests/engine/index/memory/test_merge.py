"""One segment of several, without the images that are gone."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.index.memory import merge as module
from django_visualsnoop.engine.index.memory.merge import SegmentPart, merge_in_memory
from django_visualsnoop.engine.index.memory.segment import Segment, build_segment
from tests.engine.index.memory.brute_force import made

DICE = np.random.default_rng(9)
IMAGES = {str(number): made(DICE, number).to_bytes() for number in range(8)}
GONE = ("0", "5")


def part(*image_ids: str) -> SegmentPart:
    segment = build_segment({image_id: IMAGES[image_id] for image_id in image_ids})
    return SegmentPart(segment, np.array([image_id not in GONE for image_id in image_ids]))


def assert_equal(one: Segment, other: Segment) -> None:
    for name, values in one.arrays().items():
        assert values.tolist() == other.arrays()[name].tolist(), name


@pytest.fixture(params=["sorted anew", "walked"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "walked":
        monkeypatch.setattr(module, "_SORTED_AGAIN", -1)
        monkeypatch.setattr(module, "_WORDS", 1000)
        monkeypatch.setattr(module, "_ROWS", 2)


@pytest.mark.usefixtures("_each_way")
def test_a_merged_segment_is_as_if_built_of_all_that_is_kept() -> None:
    merged = merge_in_memory([part("3", "0", "7"), part("5"), part("1", "2", "4", "6")])
    kept = ("3", "7", "1", "2", "4", "6")
    assert_equal(merged, build_segment({image_id: IMAGES[image_id] for image_id in kept}))


@pytest.mark.usefixtures("_each_way")
def test_nothing_is_kept_of_images_that_are_gone() -> None:
    merged = merge_in_memory([part("0"), part("5")])
    assert merged.size == len(merged.lists.slots) == len(merged.lists.words) == 0
