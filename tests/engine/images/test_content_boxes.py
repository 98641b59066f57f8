from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from django_visualsnoop.engine.descriptors.describe import build_probes, describe
from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.images.content_boxes import (
    crop_bands,
    crop_content_boxes,
    crop_page,
    measure_bands,
)
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.calibration import score_to_similarity
from django_visualsnoop.engine.matching.compare import compare
from tests.collections.contract import image
from tests.engine.pictures import saved


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


def text_page(
    picture: Image.Image | None,
    place: tuple[int, int] = (0, 0),
    *,
    size: tuple[int, int] = (800, 1100),
    paper: str = "white",
    ink: str = "black",
) -> Image.Image:
    """Return a page full of words, with a picture that leaves 12 pixels free around it."""
    dice = np.random.default_rng(7)
    page = Image.new("RGB", size, paper)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(18)
    for top in range(50, size[1] - 60, 23):
        left = 50.0
        while left < size[0] - 110:
            word = "".join(dice.choice(list("abdeghilmnoprstu"), dice.integers(2, 9)))
            draw.text((left, top), word, ink, font)
            left += draw.textlength(word + " ", font)
    if picture is not None:
        x, y = place
        draw.rectangle((x - 12, y - 12, x + picture.width + 12, y + picture.height + 12), paper)
        page.paste(picture, place)
    return page


def photo(width: int) -> Image.Image:
    """Return a picture with details everywhere and few pixels of any one colour."""
    return Image.fromarray(decode(image(1)).pixels).resize((width, width * 3 // 4))


def measure_agreement(found: np.ndarray, expected: Image.Image) -> float:
    """Return how much the sizes of two pictures agree: the smaller of the shares, 0 to 1."""
    shares = (found.shape[0] / expected.height, found.shape[1] / expected.width)
    return float(min(*shares, *(1 / share for share in shares)))


@pytest.mark.parametrize("paper", ["white", "#dfeee0", "#1a1a1a"])
@pytest.mark.parametrize("place", [(100, 150), (500, 600), (280, 450), (60, 800)])
def test_a_picture_with_words_on_all_sides(place: tuple[int, int], paper: str) -> None:
    shown = photo(240)
    ink = "#dddddd" if paper == "#1a1a1a" else "black"
    pixels = np.asarray(text_page(shown, place, paper=paper, ink=ink))
    found = crop_page(pixels)
    assert found is not None
    assert measure_agreement(found, shown) > 0.95
    probes = build_probes(decode(saved(Image.fromarray(pixels), "PNG")).pixels)
    stored = describe(decode(saved(shown.resize((640, 480)), "PNG")).pixels)
    assert score_to_similarity(compare(probes, stored).score) > 0.9


def test_a_picture_with_white_parts_is_one_picture() -> None:
    shown = photo(320)
    ImageDraw.Draw(shown).rectangle((0, 110, 320, 113), "white")
    ImageDraw.Draw(shown).ellipse((100, 20, 160, 80), "white")
    found = crop_page(np.asarray(text_page(shown, (240, 400))))
    assert found is not None
    assert measure_agreement(found, shown) > 0.95


def test_the_largest_picture_of_a_page() -> None:
    page = text_page(photo(300), (420, 500))
    page.paste(text_page(photo(120), (40, 40), size=(200, 180)), (60, 200))
    found = crop_page(np.asarray(page))
    assert found is not None
    assert measure_agreement(found, photo(300)) > 0.95


@pytest.mark.parametrize("size", [(800, 1100), (1100, 800), (400, 550)])
def test_words_alone_are_no_picture(size: tuple[int, int]) -> None:
    pixels = decode(saved(text_page(None, size=size), "PNG")).pixels
    found = crop_page(pixels)
    assert found is None or found.size > 0.5 * pixels.size


def test_a_stamp_among_words_is_too_small() -> None:
    pixels = np.asarray(text_page(photo(60), (300, 500)))
    found = crop_page(pixels)
    assert found is None or found.shape[1] > 300


@pytest.mark.parametrize(("frame", "asked"), [(3, False), (90, True)])
def test_a_search_asks_once_for_features_within_a_thin_frame(frame: int, asked: bool) -> None:
    picture = decode(image(1)).pixels
    framed = np.pad(picture, ((frame, frame), (frame, frame), (0, 0)), constant_values=255)
    probes = build_probes(framed)
    inside = probes.pictures[2:4]
    assert [len(one.codes) > 0 for one in inside] == [asked, asked]
    assert [len(one) > 0 for one in probes.near_words[2:4]] == [asked, asked]
    # The vector is that of what is inside, in any case.
    stored = describe(picture)
    assert normalise(probes.vectors[8]) @ normalise(stored.vector) > 0.99
    assert score_to_similarity(compare(probes, stored).score) > 0.99


def test_a_band_that_ends_in_the_first_rows_is_measured() -> None:
    picture = decode(image(1)).pixels.copy()
    picture[:1] = 250
    assert measure_bands(picture) == (1, 0, 0, 0)
    picture[:40] = 250
    assert measure_bands(picture) == (40, 0, 0, 0)
