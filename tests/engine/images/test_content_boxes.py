from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.describe import build_probes, describe
from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.images.content_boxes import crop_bands, crop_content_boxes, crop_page
from django_visualsnoop.engine.images.decode import decode
from tests.collections.contract import image


@pytest.mark.parametrize("bands", [(9, 0, 0, 0), (0, 7, 0, 0), (0, 0, 5, 30), (40, 40, 12, 1)])
def test_bands_are_taken_off(bands: tuple[int, int, int, int]) -> None:
    picture = decode(image(1)).pixels
    top, bottom, left, right = bands
    framed = np.pad(
        picture,
        ((top, bottom), (left, right), (0, 0)),
        constant_values=250,
    )
    found = crop_bands(framed)
    assert found is not None
    assert found.shape == picture.shape
    assert (found == picture).all()


def test_a_picture_without_frame_has_no_inner_one() -> None:
    assert crop_bands(decode(image(1)).pixels) is None
    busy = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    assert crop_content_boxes(busy) == []
    assert len(build_probes(busy).vectors) == 8


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2), (60, 80)])
def test_flat_pictures_keep_something(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 200, dtype=np.uint8)
    found = crop_bands(picture)
    assert found is None or found.size
    assert np.abs(build_probes(picture).vectors).max() == 127


def test_a_framed_query_finds_the_picture() -> None:
    picture = decode(image(1)).pixels
    framed = np.pad(picture, ((40, 40), (40, 40), (0, 0)), constant_values=255)
    scores = normalise(build_probes(framed).vectors) @ normalise(describe(picture).vector)
    assert scores.max() > 0.99
    assert scores[:8].max() < 0.9


def test_the_picture_on_a_page() -> None:
    busy = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    page = np.full((220, 300, 3), 250, dtype=np.uint8)
    page[5:15, 10:120:3] = 20  # words above, beside and below
    page[60:150, 40:160] = busy
    page[60:200:12, 180:280:4] = 40
    page[170:180, 10:200:5] = 90
    found = crop_page(page)
    assert found is not None
    assert found.shape == busy.shape
    assert (found == busy).all()
    assert crop_page(busy) is None
    assert crop_page(np.full((50, 60, 3), 7, dtype=np.uint8)) is None
