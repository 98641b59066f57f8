"""Pairs of pictures with known relations."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.descriptors.describe import describe
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.difference import EVIDENCE
from django_visualsnoop.engine.matching.relation import FIRST_STAGE
from django_visualsnoop.engine.training.augment import reencode
from django_visualsnoop.engine.training.public_pictures import NOT_COPY
from django_visualsnoop.engine.training.related_pairs import (
    DescribedPicture,
    compare_described,
    compare_edited,
    list_candidates,
    relate_pictures,
)
from tests.collections.contract import image


@pytest.fixture(scope="module")
def pictures() -> list[DescribedPicture]:
    """Three pictures of one set, the first after JPEG, its mirror image, and the third, smaller."""
    pixels = [decode(image(number)).pixels for number in range(3)]
    pixels += [reencode(pixels[0], 85), np.ascontiguousarray(pixels[0][:, ::-1])]
    pixels += [cv2.resize(pixels[2], None, fx=0.7, fy=0.7).astype(np.uint8)]
    return [
        DescribedPicture("maxogden/cats", f"{number}.jpg", f"{number}", describe(one))
        for number, one in enumerate(pixels)
    ]


def test_candidates_have_close_vectors_or_the_same_words(pictures: list[DescribedPicture]) -> None:
    found = dict(list_candidates([one.descriptor for one in pictures]))
    assert {3, 4} <= set(found[0])
    assert 5 in found[2]
    assert all(number not in others for number, others in found.items())


def test_equal_pixels_make_a_copy_where_names_tell_nothing(
    pictures: list[DescribedPicture],
) -> None:
    same = pictures[0]._replace(digest="another file")
    assert relate_pictures(pictures[0], same) == COPY
    assert relate_pictures(pictures[0], pictures[1]) is None
    assert relate_pictures(pictures[0], pictures[1]._replace(digest="0")) == COPY
    (pair,) = compare_described([*pictures, same], 0, [1, 6])
    assert (pair.relation, pair.source, pair.places) == (COPY, "maxogden/cats", (0, 6))
    assert pair.inputs.shape == (len(FIRST_STAGE) + len(EVIDENCE),)


def test_edited_pictures_are_copies_unless_a_part_is_replaced() -> None:
    pixels = [decode(image(number)).pixels for number in range(3)]
    made, again = (list(compare_edited(pixels, np.random.default_rng(2))) for _ in range(2))
    assert {one.relation for one in made} == {COPY, NOT_COPY}
    assert [one.relation for one in made] == [one.relation for one in again]
    assert all(
        np.array_equal(one.inputs, other.inputs) for one, other in zip(made, again, strict=True)
    )
