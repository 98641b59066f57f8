from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from django_visualsnoop.engine.descriptors.describe import (
    build_probes,
    build_stored_probes,
    describe,
)
from django_visualsnoop.engine.descriptors.weights import load_learned
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.compare import Comparison, compare
from django_visualsnoop.engine.matching.overlap import Overlap
from django_visualsnoop.engine.matching.verify import NO_ALIGNMENT
from django_visualsnoop.engine.training.votes import collect_votes
from tests.collections.contract import image


def picture(number: int) -> Image.Image:
    return Image.open(io.BytesIO(image(number))).convert("RGB")


def compared(query: Image.Image, stored: Image.Image) -> Comparison:
    return compare(build_probes(np.asarray(query)), describe(np.asarray(stored)))


def is_copy(found: Comparison) -> bool:
    return calibration.score_to_similarity(found.score) >= calibration.DEFAULT_MIN_SIMILARITY


@pytest.mark.parametrize("number", range(1, 9))
def test_edits_that_move_the_picture(number: int) -> None:
    original = picture(number)
    width, height = original.size
    cropped = original.crop((width // 4, height // 5, width, height))
    behind = picture(number + 40).resize((3 * width // 2, 3 * height // 2))
    behind.paste(original, (width // 3, height // 3))
    for edited in (
        cropped,
        behind,
        ImageOps.mirror(original),
        original.rotate(90, expand=True),
        ImageOps.expand(original, 40, "navy"),
    ):
        assert is_copy(compared(edited, original))
    assert not is_copy(compared(original, picture(number + 20)))


@pytest.mark.parametrize("number", range(1, 4))
def test_a_negative_and_one_picture_of_four_are_copies(number: int) -> None:
    original = picture(number)
    assert is_copy(compared(ImageOps.invert(original), original))
    assert is_copy(compared(ImageOps.invert(ImageOps.mirror(original)), original))
    four = Image.new("RGB", (512, 512))
    for place in range(4):
        tile = original if place == 2 else picture(30 + place)
        four.paste(tile.resize((250, 250)), (place % 2 * 256, place // 2 * 256))
    assert is_copy(compared(four, original))


@pytest.mark.parametrize("number", range(1, 4))
def test_pictures_on_the_same_page_are_no_copies(number: int) -> None:
    def page(shown: Image.Image) -> Image.Image:
        whole = Image.new("RGB", (300, 420), "white")
        draw = ImageDraw.Draw(whole)
        for line in range(5):
            draw.text((10 + 7 * line, 10 + 18 * line), f"line {line * 37} of an app", "black")
        whole.paste(shown.resize((280, 300)), (10, 105))
        return whole

    stored = page(picture(number))
    assert not is_copy(compared(page(picture(number + 20)), stored))
    assert is_copy(compared(page(picture(number)), stored))


def test_what_words_and_lines_share_speaks_less_for_a_copy() -> None:
    match = NO_ALIGNMENT._replace(inliers=20, matches=40, distance=3.0, spread=30.0)
    place = Overlap(0.5, 0.6, 0.6, 0.5)

    def collect(axial: float, inliers: int = 20) -> np.ndarray:
        alignment = match._replace(axial=axial, inliers=inliers)
        found: np.ndarray = calibration.collect_evidence(
            np.array([0.7]), [alignment], [place], [100]
        )[0]
        assert len(found) == calibration.INPUTS == len(load_learned().weights)
        return found

    def score(axial: float) -> float:
        return calibration.compute_score(collect(axial), 0.7, 100)

    assert score(0.1) > score(0.5) > score(0.9)
    assert (collect(0.0, inliers=2) == collect(1.0, inliers=2)).all()


def test_says_how_the_pictures_lie() -> None:
    original = picture(1)
    width, height = original.size
    mirrored = compared(ImageOps.mirror(original), original)
    assert mirrored.picture == 1
    turned = compared(original.rotate(90, expand=True), original)
    assert turned.alignment.turn == pytest.approx(90, abs=4)
    half = compared(original.crop((0, 0, width // 2, height // 2)), original)
    assert half.alignment.scale == pytest.approx(0.5, rel=0.1)


def test_a_stored_picture_finds_its_mirror_image() -> None:
    stored = describe(decode(image(3)).pixels)
    mirror = describe(np.ascontiguousarray(decode(image(3)).pixels[:, ::-1]))
    found = compare(build_stored_probes(stored), mirror)
    assert is_copy(found)
    assert found.alignment.inliers > 0.5 * len(stored.codes)


def test_votes_go_to_the_picture_with_the_same_features() -> None:
    stored = [describe(decode(image(number)).pixels) for number in range(1, 6)]
    codes = [one.codes for one in stored]
    for place, one in enumerate(stored):
        counted = collect_votes([one], codes)
        assert counted.argmax() == place
        assert counted[place] > 0.9 * len(one.codes)
    assert not collect_votes([], codes).any()
    assert collect_votes(stored, []).shape == (0,)
    assert not collect_votes([stored[0]], [codes[0][:0]]).any()
