"""Pictures in which nothing tells them apart: only equal files are copies."""

from __future__ import annotations

import io
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine.descriptors.describe import (
    build_probes,
    build_stored_probes,
    describe,
)
from django_visualsnoop.engine.descriptors.descriptor import Descriptor
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.index.memory.join import find_candidate_pairs
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.compare import compare
from django_visualsnoop.engine.replica import view
from tests.collections.contract import image
from tests.engine.descriptors.pages import (
    HEIGHT,
    WIDTH,
    dusty,
    flat,
    framed,
    gradient,
    noisy,
    numbered,
    one_bit,
    with_edge,
)
from tests.engine.pictures import saved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.engine.images.decode import Pixels
    from django_visualsnoop.engine.index.base import CandidatePair


KINDS = {
    "flat": [flat(255, 255, 255), flat(254, 255, 255), flat(0, 0, 0), flat(200, 30, 30)],
    "noisy": [noisy(flat(*[240 - seed] * 3), 8, seed) for seed in range(4)],
    "gradients": [
        gradient((0, 0, 0), (255, 255, 255)),
        gradient((20, 20, 20), (240, 240, 240)),
        gradient((255, 255, 255), (0, 0, 0)),
    ],
    "unevenly lit": [
        noisy(gradient((250, 250, 245), (250 - 8 * step, 248 - 8 * step, 240)), 3, step)
        for step in range(5)
    ],
    "framed": [framed(width) for width in (2, 5, 8, 20)],
    "edge of the paper": [with_edge(width) for width in (3, 5, 9)],
    "dusty": [dusty(specks, seed) for seed, specks in enumerate((1, 2, 3, 4, 5, 6, 7, 8))],
    "page numbers": [numbered(number) for number in (1, 2, 7, 12, 13)],
    "one bit": [one_bit(speck) for speck in (3, 70, 200)],
}


def similarity(query: Pixels, stored: Pixels) -> float:
    return calibration.score_to_similarity(compare(build_probes(query), describe(stored)).score)


@pytest.mark.parametrize("kind", KINDS)
def test_only_equal_files_are_copies(kind: str) -> None:
    for one, other in combinations(KINDS[kind], 2):
        assert similarity(one, other) < 0.1
        found = compare(build_stored_probes(describe(one)), describe(other))
        assert calibration.score_to_similarity(found.score) < 0.1
    for one in KINDS[kind]:
        found = compare(build_probes(one, bytes(32)), describe(one, bytes(32)))
        assert calibration.score_to_rank(found.score) == 0


@pytest.mark.parametrize("kind", [one for one in KINDS if one != "dusty"])
def test_the_same_picture_in_two_files_is_no_copy(kind: str) -> None:
    for one in KINDS[kind]:
        first, second = describe(one, b"1" * 32), describe(one, b"2" * 32)
        assert first.by_file
        assert (
            calibration.score_to_similarity(compare(build_stored_probes(first), second).score)
            < 0.01
        )
        assert compare(build_probes(one, b"1" * 32), first).score == calibration.SAME_FILE


def test_little_to_see_is_enough() -> None:
    shapes = []
    for shape in ("ellipse", "rectangle"):
        page = Image.new("RGB", (WIDTH, HEIGHT), "white")
        getattr(ImageDraw.Draw(page), shape)((100, 60, 220, 180), fill="black")
        shapes.append(page)
    for one in shapes:
        stored = describe(np.asarray(one))
        assert not stored.by_file
        again = decode(saved(one.resize((200, 150)), "JPEG", quality=60)).pixels
        assert similarity(again, np.asarray(one)) > 0.9
    assert similarity(np.asarray(shapes[0]), np.asarray(shapes[1])) < 0.1


def test_a_dusty_page_is_a_copy_of_its_jpeg() -> None:
    page = dusty(20, 1)
    again = decode(saved(Image.fromarray(page), "JPEG", quality=90)).pixels
    assert similarity(again, page) > 0.9


def test_what_is_inside_an_empty_page_is_found() -> None:
    inside = Image.open(io.BytesIO(image(1))).convert("RGB")
    page = Image.new("RGB", (900, 900), "white")
    page.paste(inside.resize((120, 90)), (390, 405))
    assert similarity(np.asarray(page), np.asarray(inside)) > 0.5
    assert similarity(np.asarray(Image.new("RGB", (900, 900), "white")), np.asarray(inside)) < 0.1


def test_a_descriptor_by_file_there_and_back() -> None:
    stored = describe(flat(255, 255, 255), bytes(range(32)))
    back = Descriptor.from_bytes(stored.to_bytes())
    assert back.by_file
    assert back.codes.astype("<u8").tobytes() == bytes(range(32))


@pytest.fixture
def collection() -> LocalCollection:
    """More blank pages than a search compares, each a file of its own, and one file twice."""
    collection = LocalCollection("shop", {})
    for number in range(60):
        collection.add_image(saved(Image.fromarray(numbered(number)), "PNG"), f"page {number}")
    collection.add_image(saved(Image.fromarray(numbered(7)), "PNG"), "page 7 again")
    collection.add_image(image(1), "scene")
    return collection


@pytest.mark.django_db
def test_pairs_of_blank_pages_are_no_candidates(
    collection: LocalCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were, all with all, as their vectors are close."""
    candidates: list[tuple[str, str]] = []

    def counted(*args: Any, **kwargs: Any) -> Iterator[CandidatePair]:
        for pair in find_candidate_pairs(*args, **kwargs):
            candidates.append((pair.first_id, pair.second_id))
            yield pair

    monkeypatch.setattr(view, "find_candidate_pairs", counted)
    for copy in range(3):
        collection.add_image(image(1), f"scene again {copy}")
    found = list(collection.iter_pairs())
    assert len(found) == 1 + 6
    assert {frozenset(pair) for pair in candidates} == {
        frozenset((one.first_id, one.second_id)) for one in found
    }


@pytest.mark.django_db
def test_searches_and_pairs_find_equal_files(collection: LocalCollection) -> None:
    again = saved(Image.fromarray(numbered(7)), "PNG")
    found = collection.search_images(again).matches
    assert {one.image_id for one in found} == {"page 7", "page 7 again"}
    assert {one.rank for one in found} == {0}
    assert collection.search_images(saved(Image.fromarray(numbered(7)), "BMP")).matches == []
    by_id = collection.search_images_by_id("page 7").matches
    assert [one.image_id for one in by_id] == ["page 7 again"]
    assert collection.search_images_by_id("page 8").matches == []
    for touching in (None, ["page 7", "page 9", "scene"]):
        found_pairs = list(collection.iter_pairs(touching=touching))
        assert [(one.first_id, one.second_id) for one in found_pairs] == [
            ("page 7", "page 7 again")
        ]
        assert found_pairs[0].rank == 0
