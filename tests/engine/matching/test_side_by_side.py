"""Two pictures beside each other, stored or not."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.matching.side_by_side import (
    add_size,
    compare_pictures,
    find_placements_among,
)
from django_visualsnoop.engine.storage.values import NewImage, StoredDescriptor
from tests.collections.contract import image


def described(content: bytes) -> NewImage:
    return Gallery("default", "shop").describe_image(content, "")


def part_of(number: int) -> bytes:
    scene = Image.open(io.BytesIO(image(number))).convert("RGB")
    width, height = scene.size
    out = io.BytesIO()
    scene.crop((width // 2, 0, width, height)).save(out, "PNG")
    return out.getvalue()


def test_a_part_is_a_copy_and_has_a_place() -> None:
    found = compare_pictures(described(part_of(1)), described(image(1)))
    assert found.similarity > 0.5
    assert found.placement is not None
    assert found.placement.part_of_second == pytest.approx((0.5, 0, 1, 1), abs=0.05)


def test_one_file_is_as_close_to_itself_as_can_be() -> None:
    found = compare_pictures(described(image(1)), described(image(1)))
    assert (found.rank, found.similarity > 0.99) == (0, True)


def test_different_pictures_have_no_place() -> None:
    found = compare_pictures(described(image(1)), described(image(2)))
    assert found.similarity < 0.5
    assert found.placement is None


def test_what_is_not_known_or_has_no_place_is_left_out() -> None:
    known = {str(number): add_size(described(image(number))) for number in (1, 2)}
    part = add_size(described(part_of(1)))
    assert find_placements_among(part, known, ["1", "2", "gone"]).keys() == {"1"}


def test_a_broken_descriptor_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="at least a vector"):
        add_size(StoredDescriptor("a", b"broken", 3, 2, 5))
