"""Where one picture lies in another."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from django_visualsnoop.common.edits import Box
from django_visualsnoop.engine.descriptors.describe import describe
from django_visualsnoop.engine.matching.placement import (
    Placement,
    Size,
    Sized,
    find_placements,
)
from tests.collections.contract import image


def picture(number: int) -> Image.Image:
    return Image.open(io.BytesIO(image(number))).convert("RGB")


def placed(first: Image.Image, second: Image.Image) -> Placement | None:
    one, other = (Sized(describe(np.asarray(each)), Size(*each.size)) for each in (first, second))
    (where,) = find_placements(one, [other])
    return where


def nearly(box: tuple[float, float, float, float]) -> object:
    return pytest.approx(box, abs=0.04)


def found(first: Image.Image, second: Image.Image) -> Placement:
    where = placed(first, second)
    assert where is not None
    return where


WHOLE = (0, 0, 1, 1)


@pytest.mark.parametrize("number", [1, 2])
def test_a_part_lies_where_it_was_cut_out(number: int) -> None:
    original = picture(number)
    width, height = original.size
    part = original.crop((width // 4, height // 5, width, height))
    where = found(part.resize((part.width * 2, part.height * 2)), original)
    assert where.part_of_first == nearly(WHOLE)
    assert where.part_of_second == nearly((0.25, 0.2, 1, 1))
    assert where.scale == pytest.approx(0.5, rel=0.05)
    assert not where.mirrored
    assert where.turn == pytest.approx(0, abs=3)
    assert where.part_of_second.area == pytest.approx(0.6, abs=0.06)
    back = found(original, part)
    assert back.part_of_first == nearly((0.25, 0.2, 1, 1))
    assert back.part_of_second == nearly(WHOLE)


def test_a_mirror_image() -> None:
    original = picture(1)
    width, height = original.size
    right = ImageOps.mirror(original.crop((width // 2, 0, width, height)))
    where = found(right, original)
    assert where.mirrored
    assert where.turn == pytest.approx(0, abs=3)
    assert where.part_of_first == nearly(WHOLE)
    assert where.part_of_second == nearly((0.5, 0, 1, 1))


@pytest.mark.parametrize("degrees", [90, -90])
def test_turned_by_a_quarter(degrees: int) -> None:
    original = picture(3)
    where = found(original.rotate(degrees, expand=True), original)
    assert where.turn == pytest.approx(degrees, abs=3)
    assert where.part_of_second == nearly(WHOLE)


def test_pasted_into_another_picture() -> None:
    original = picture(1)
    width, height = original.size
    page = picture(41).resize((2 * width, 2 * height))
    page.paste(original, (width // 2, height))
    assert found(original, page).part_of_second == nearly((0.25, 0.5, 0.75, 1))


def test_pictures_that_share_nothing_or_have_no_details() -> None:
    assert placed(picture(1), picture(2)) is None
    grey = Image.new("RGB", (300, 200), "grey")
    assert placed(grey, grey) is None


def test_the_area_of_a_box() -> None:
    assert Box(0.25, 0.5, 0.75, 1.0).area == 0.25
