"""Pairs of large groups: all are joined, and few are compared."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

from django_visualsnoop.common.clustering import Link, grouped
from django_visualsnoop.engine import pairs
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors.descriptor import Descriptor
from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.pairs import add_similarities
from tests.collections.contract import image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_visualsnoop.engine.pairs import PairHit
    from django_visualsnoop.engine.storage.values import NewImage

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery() -> Gallery:
    return Gallery("default", "shop")


def reencoded(gallery: Gallery, count: int, number: int = 1, prefix: str = "") -> list[NewImage]:
    picture = Image.open(io.BytesIO(image(number))).convert("RGB")
    made = []
    for one in range(count):
        content = io.BytesIO()
        size = (picture.width - one % 7, picture.height - one % 7)
        picture.resize(size).save(content, "JPEG", quality=60 + one % 35)
        made.append(gallery.describe_image(content.getvalue(), f"{prefix}{one:03}"))
    return made


def groups(found: Iterable[PairHit]) -> list[list[str]]:
    links = {
        (pair.first_id, pair.second_id): Link(pair.rank, pair.similarity, ("", ""))
        for pair in found
    }
    return sorted(sorted(group) for group in grouped(links))


def ids(images: Iterable[NewImage]) -> list[str]:
    return sorted(one.image_id for one in images)


def test_all_pairs_of_a_small_group_are_found(gallery: Gallery) -> None:
    some = reencoded(gallery, pairs.EXACT)
    gallery.store.put(some)
    found = {(pair.first_id, pair.second_id) for pair in gallery.find_pairs()}
    assert found == set(combinations(ids(some), 2))
    touching = {(pair.first_id, pair.second_id) for pair in gallery.find_pairs(touching=["003"])}
    assert touching == {pair for pair in found if "003" in pair}


@pytest.mark.parametrize("way", ["all", "touching"])
def test_a_large_group_costs_about_one_comparison_for_each_image(
    gallery: Gallery, way: str
) -> None:
    some, others = reencoded(gallery, 60), reencoded(gallery, 3, 2, "other")
    gallery.store.put([*some, *others])
    finder = gallery.build_pair_finder()
    assert finder is not None
    found = finder.find_all() if way == "all" else finder.find_touching(ids([*some, *others]))
    assert groups(add_similarities(found)) == [ids(some), ids(others)]
    # 1,770 pairs; those that are put off are of groups that are small at first.
    assert finder.compared < 3 * len(some)


def test_equal_pictures_are_compared_once(gallery: Gallery) -> None:
    (one,) = reencoded(gallery, 1)
    some = [replace(one, image_id=f"{number:03}") for number in range(300)]
    gallery.store.put(some)
    finder = gallery.build_pair_finder()
    assert finder is not None
    found = list(add_similarities(finder.find_all()))
    assert groups(found) == [ids(some)]
    assert finder.compared == 1
    assert len(found) < 2 * len(some)


def test_each_member_of_a_large_group_is_linked_to_one_that_is_as_close(gallery: Gallery) -> None:
    """Equal files are found to be equal among many that are not quite."""
    some = reencoded(gallery, 40)
    twins = [replace(one, image_id=f"twin {one.image_id}") for one in some]
    gallery.store.put([*some, *twins])
    closest: dict[str, int] = {}
    for pair in gallery.find_pairs():
        for image_id in pair[:2]:
            closest[image_id] = min(pair.rank, closest.get(image_id, pair.rank))
    assert set(closest.values()) == {0}
    assert len(closest) == 80


def test_only_what_counts_joins_a_group(gallery: Gallery) -> None:
    some = reencoded(gallery, 40)
    gallery.store.put(some)
    wanted = set(ids(some)[1::2])
    found = list(gallery.find_pairs(among=wanted.__contains__))
    assert groups(found) == [sorted(wanted)]
    apart = [("001", other) for other in ids(some) if other > "001"]
    finder = gallery.build_pair_finder(not_duplicates=apart)
    assert finder is not None
    assert groups(add_similarities(finder.find_all())) == [["000", *ids(some)[1:]]]  # by 000 alone
    finder = gallery.build_pair_finder(not_duplicates=[("000", "001"), *apart])
    assert finder is not None
    assert groups(add_similarities(finder.find_all())) == [["000", *ids(some)[2:]]]


def test_what_was_asked_before_is_remembered(gallery: Gallery) -> None:
    some = reencoded(gallery, 40)
    gallery.store.put(some)
    finder = gallery.build_pair_finder()
    assert finder is not None
    first = list(finder.find_touching(["000"]))
    rest = list(finder.find_touching(ids(some)))
    assert {pair[:2] for pair in first}.isdisjoint(pair[:2] for pair in rest)
    assert groups(add_similarities([*first, *rest])) == [ids(some)]
    assert finder.compared < 3 * len(some)


def alike(gallery: Gallery, count: int) -> list[NewImage]:
    """Return pictures that share a frame, and no one is a copy of another."""
    dice = np.random.default_rng(1)
    frame = Image.open(io.BytesIO(image(1))).convert("RGB")
    made = []
    for number in range(count):
        page = frame.copy()
        draw = ImageDraw.Draw(page)
        width, height = page.size
        draw.rectangle((width // 6, height // 6, width * 5 // 6, height * 5 // 6), fill="white")
        for _ in range(12):
            left = int(dice.integers(width // 6, width // 2))
            top = int(dice.integers(height // 6, height // 2))
            right, bottom = np.array([left, top]) + dice.integers(5, 40, 2)
            shade = tuple(int(value) for value in dice.integers(0, 200, 3))
            draw.ellipse((left, top, int(right), int(bottom)), shade)
        content = io.BytesIO()
        page.save(content, "PNG")
        made.append(gallery.describe_image(content.getvalue(), f"page {number:02}"))
    return made


def test_who_is_alike_and_no_copy_is_given_up(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "MISSES", 3)
    monkeypatch.setattr(pairs, "SURE", 1.1)  # nothing is
    some = alike(gallery, 20)
    gallery.store.put(some)
    finder = gallery.build_pair_finder(1.0)
    assert finder is not None
    assert list(finder.find_all()) == []
    assert 20 <= finder.compared <= 3 * 20
    assert finder.complete


@pytest.mark.parametrize("way", ["all", "touching"])
def test_a_request_has_a_bound(gallery: Gallery, way: str) -> None:
    some = reencoded(gallery, 30)
    gallery.store.put(some)
    for most, complete in ((0, False), (10, False), (10_000, True)):
        finder = gallery.build_pair_finder(most=most)
        assert finder is not None
        found = list(finder.find_all() if way == "all" else finder.find_touching(ids(some)))
        assert finder.compared <= most
        assert len(found) >= min(most, 10)
        assert finder.complete is complete


def test_a_part_of_one_of_a_crowd_is_found(gallery: Gallery) -> None:
    some = reencoded(gallery, 40)
    picture = Image.open(io.BytesIO(image(1))).convert("RGB")
    width, height = picture.size
    content = io.BytesIO()
    picture.crop((width // 4, height // 4, width, height)).save(content, "PNG")
    part = gallery.describe_image(content.getvalue(), "part")
    gallery.store.put([*some, part])
    assert groups(gallery.find_pairs()) == [ids([*some, part])]


def test_descriptors_that_are_gone_meanwhile_are_passed_over(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.store.put(reencoded(gallery, 3))
    monkeypatch.setattr(pairs, "_TOGETHER", 1)
    finder = gallery.build_pair_finder()
    assert finder is not None
    gallery.store.delete("001")
    assert [pair[:2] for pair in finder.find_all()] == [("000", "002")]


def test_versions_differ(gallery: Gallery) -> None:
    (one,) = reencoded(gallery, 1)
    assert Descriptor.from_bytes(one.vector)
    gallery.store.put([one, replace(one, image_id="old", version=describe.VERSION - 1)])
    assert list(gallery.find_pairs()) == []
